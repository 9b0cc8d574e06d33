import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";

const encoder = new TextEncoder();

const secretOf = ({ LINK_SECRET_KEY, JWT_SECRET_KEY }: Config) => LINK_SECRET_KEY ?? JWT_SECRET_KEY;

/** Whether there is a secret to derive keys from. */
export const canDerive = (config: Config) => secretOf(config) !== undefined;

/**
 * A key for one purpose, 256 bits (HKDF with SHA-256, RFC 5869): its signatures are valid for no
 * other purpose.
 * @throws AppError unavailable without a secret to derive it from
 */
export async function derivedKey(config: Config, purpose: string): Promise<Uint8Array> {
  const secret = secretOf(config);
  if (!secret)
    throw new AppError(
      "unavailable",
      "links_not_configured",
      "LINK_SECRET_KEY is not configured: links, tickets and webhooks cannot be signed.",
    );
  const base = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, [
    "deriveBits",
  ]);
  const params = {
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(0),
    info: encoder.encode(purpose),
  };
  return new Uint8Array(await crypto.subtle.deriveBits(params, base, 256));
}
