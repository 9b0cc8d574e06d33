import { sha256Hex } from "../lib/digest.ts";
import { AppError } from "../lib/errors.ts";
import { randomToken } from "../lib/ids.ts";

/**
 * The text of an API key: `sk_<environment>_<id: 8>_<43 random><6 of its checksum>`. The secret has
 * 256 random bits, so that a plain digest keeps it. The checksum finds a mistyped key before the
 * database is asked.
 */
const KEY = /^sk_(local|test|live)_([a-z0-9]{8})_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;
const ENVIRONMENTS = { local: "local", test: "test", production: "live" } as const;
const ID_LENGTH = 8;
const CHECKSUM_LENGTH = 6;

/** Whether a text claims to be an API key, and not a JWT. */
export const looksLikeKey = (text: string): boolean => text.startsWith("sk_");

/** The id of a key that a request makes: it follows from the id that the request has made. */
export async function keyIdFrom(made: string): Promise<string> {
  const hex = await sha256Hex(`shadower api key id ${made}`);
  const number = BigInt(`0x${hex.slice(0, 24)}`) % 36n ** BigInt(ID_LENGTH);
  return number.toString(36).padStart(ID_LENGTH, "0");
}

async function checksumOf(text: string): Promise<string> {
  const hex = await sha256Hex(`shadower api key ${text}`);
  const bytes = Uint8Array.fromHex(hex.slice(0, 12));
  return bytes.toBase64({ alphabet: "base64url" }).slice(0, CHECKSUM_LENGTH);
}

type Environment = keyof typeof ENVIRONMENTS;

/** The part of a key that may be shown: enough to tell it from others. */
export const keyPrefix = (environment: Environment, id: string) =>
  `sk_${ENVIRONMENTS[environment]}_${id}`;

/** A new secret of the key of this id. */
export async function newKeyText(environment: Environment, id: string): Promise<string> {
  const text = `${keyPrefix(environment, id)}_${randomToken()}`;
  return `${text}${await checksumOf(text)}`;
}

/** The refusal of every key that is not valid: it does not say why. */
export function invalidKey(): AppError {
  return new AppError("unauthenticated", "invalid_key", "The API key is not valid.");
}

/**
 * The id in a key's text.
 * @throws AppError unauthenticated for a text that no key can have
 */
export async function idOfKey(text: string): Promise<string> {
  const [, , id, , checksum] = KEY.exec(text) ?? [];
  if (!id || checksum !== (await checksumOf(text.slice(0, -CHECKSUM_LENGTH)))) throw invalidKey();
  return id;
}
