import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import type { Config } from "../config.ts";
import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";
import { sha256Hex } from "../lib/digest.ts";
import { AppError } from "../lib/errors.ts";
import { cutText } from "../lib/text.ts";
import type { User } from "./actor.ts";
import { userOf } from "./claims.ts";
import { verifyByKeySet } from "./key-set.ts";

const SYMMETRIC = ["HS256"];
const ASYMMETRIC = ["RS256", "ES256", "EdDSA"];
const MAX_REMEMBERED_BYTES = 4 * 1024 * 1024;
/** A longer token is replaced by its digest. */
const MAX_KEY_CHARS = 512;
/** Memory of a text in a map or a set, beside its characters. */
const ENTRY_BYTES = 100;

/**
 * Verified tokens of this isolate: checking a signature again would cost half of a cached answer.
 * A map compares texts of equal hashes only, and its hash has a secret seed: its time tells
 * nothing.
 */
const remembered = new BoundedStore<{ config: Config; user: User }>(MAX_REMEMBERED_BYTES);

function refused(detail: string, cause?: unknown): AppError {
  return new AppError("unauthenticated", "invalid_token", detail, { cause });
}

function algorithmOf(token: string): string {
  try {
    const { alg }: { alg?: unknown } = decodeProtectedHeader(token);
    return typeof alg === "string" ? alg : "";
  } catch (error) {
    throw refused("The token is not a JWT.", error);
  }
}

/** The configuration decides which algorithms are accepted, never the token alone. */
async function verify(config: Config, token: string): Promise<JWTPayload> {
  const alg = algorithmOf(token);
  const options = (algorithms: string[]): JWTVerifyOptions => ({
    algorithms,
    clockTolerance: config.JWT_LEEWAY_SECONDS,
    requiredClaims: ["exp", "sub"],
    ...(config.JWT_ISSUER ? { issuer: config.JWT_ISSUER } : {}),
    ...(config.JWT_AUDIENCE ? { audience: config.JWT_AUDIENCE } : {}),
  });
  if (SYMMETRIC.includes(alg) && config.JWT_SECRET_KEY) {
    const key = new TextEncoder().encode(config.JWT_SECRET_KEY);
    return (await jwtVerify(token, key, options(SYMMETRIC))).payload;
  }
  if (ASYMMETRIC.includes(alg) && config.JWT_JWKS_URL)
    return await verifyByKeySet(config.JWT_JWKS_URL, token, options(ASYMMETRIC));
  throw refused(`The algorithm ${cutText(alg, 16) || "none"} is not accepted.`);
}

/** jose checks `iat` only with a maximum age. */
function checkIssued({ iat }: JWTPayload, leewaySeconds: number, nowMs: number): void {
  if (iat !== undefined && iat > nowMs / 1000 + leewaySeconds)
    throw refused("The token's iat is not accepted.");
}

function remember(key: string, config: Config, user: User): void {
  const texts = [user.id, user.email ?? "", ...user.workspaces.keys(), ...user.permissions];
  const bytes = texts.reduce((sum, text) => sum + bytesOf(text) + ENTRY_BYTES, 0);
  remembered.set(key, { config, user }, { bytes, untilMs: user.expiresAtMs });
}

/**
 * The user of a token. A token is checked once and remembered until it expires.
 * @throws AppError unauthenticated (expired, forged, for another audience, malformed); unavailable
 *   without the key set
 */
export async function authenticateToken(
  config: Config,
  token: string,
  nowMs: number,
): Promise<User> {
  const key = token.length <= MAX_KEY_CHARS ? token : await sha256Hex(token);
  const known = remembered.get(key, nowMs);
  if (known && known.config === config) return known.user;
  try {
    const payload = await verify(config, token);
    checkIssued(payload, config.JWT_LEEWAY_SECONDS, nowMs);
    const user = userOf(payload, config.JWT_LEEWAY_SECONDS);
    remember(key, config, user);
    return user;
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof errors.JWTExpired) throw refused("The token has expired.", error);
    if (error instanceof errors.JWTClaimValidationFailed)
      throw refused(`The token's ${error.claim} is not accepted.`, error);
    throw refused("The token is not valid.", error);
  }
}
