import type { Context } from "../../../context.ts";
import { sha256Hex } from "../../../lib/digest.ts";
import { AppError } from "../../../lib/errors.ts";
import { countPasswordTry, saveOpened, secondsUntilTry } from "./visitor-queries.ts";

// Wrong passwords are counted by link and network address, so that a stranger who has the link
// locks out nobody else. Guesses from many addresses are bounded for the link as a whole;
// addresses that gave the right password before are exempt from that bound.

const encoder = new TextEncoder();
/** The maximum of the platform's Web Crypto. */
const ITERATIONS = 100_000;
const HASH_BITS = 512;
const VISITOR_DIGITS = 32;

/** PBKDF2 with SHA-512 (RFC 8018). */
export async function passwordHash(password: string, salt: string): Promise<Uint8Array> {
  const secret = encoder.encode(password.normalize("NFKC"));
  const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
  const parameters = {
    name: "PBKDF2",
    hash: "SHA-512",
    salt: encoder.encode(salt),
    iterations: ITERATIONS,
  };
  return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, HASH_BITS));
}

const IPV6_GROUPS = 8;
const NETWORK_GROUPS = 4;

/** An IPv4 address, or the network of an IPv6 address (64 bits: the share of one customer). */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const groupsOf = (part: string) => (part === "" ? [] : part.split(":"));
  const first = groupsOf(head);
  const last = groupsOf(tail ?? "");
  const missing = tail === undefined ? 0 : IPV6_GROUPS - first.length - last.length;
  const zeros = Array<string>(Math.max(0, missing)).fill("0");
  return [...first, ...zeros, ...last].slice(0, NETWORK_GROUPS).join(":");
}

/** Hash of an address, different for each link: the address itself is not stored. */
async function visitorOf(tokenHash: string, address: string): Promise<string> {
  return (await sha256Hex(`${tokenHash} ${networkOf(address)}`)).slice(0, VISITOR_DIGITS);
}

interface ShareLock {
  tokenHash: string;
  salt: string;
  hash: string;
}

export interface ShareVisit {
  password: string;
  /** Network address that the password comes from. */
  address: string;
}

/**
 * Checks the password of a link.
 * @throws AppError forbidden for a wrong password; rate_limited, with the remaining time, while no
 * try is allowed
 */
export async function checkPassword(
  ctx: Context,
  { tokenHash, salt, hash }: ShareLock,
  { password, address }: ShareVisit,
): Promise<void> {
  const visitor = { tokenHash, visitor: await visitorOf(tokenHash, address) };
  if (!(await countPasswordTry(ctx, visitor)))
    throw new AppError("rate_limited", "too_many_passwords", "Too many wrong passwords.", {
      retryAfterSeconds: await secondsUntilTry(ctx, visitor),
    });
  const given = await passwordHash(password, salt);
  if (!crypto.subtle.timingSafeEqual(given, Uint8Array.fromHex(hash)))
    throw new AppError("forbidden", "wrong_password", "The password is wrong.");
  await saveOpened(ctx, visitor);
}
