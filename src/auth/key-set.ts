import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { loadOnce } from "../cache/single-flight.ts";
import { AppError } from "../lib/errors.ts";

interface KeySet {
  keys: ReturnType<typeof createLocalJWKSet>;
  fetchedMs: number;
}

const FETCH_MS = 5_000;
/** A key set is fetched again after this time, and sooner for a key that it does not have. */
const FRESH_MS = 600_000;
const COOLDOWN_MS = 30_000;

/** The key set of this isolate's configuration, as data: the request that fetched it is long answered. */
const keySets = new Map<string, KeySet>();

function unavailable(cause: unknown): AppError {
  return new AppError("unavailable", "keys_unavailable", "The key set cannot be reached.", {
    retryAfterSeconds: 5,
    cause,
  });
}

async function fetched(url: string): Promise<JSONWebKeySet> {
  const signal = AbortSignal.timeout(FETCH_MS);
  const headers = { accept: "application/json, application/jwk-set+json" };
  const response = await fetch(url, { headers, redirect: "manual", signal });
  if (response.status === 200) return await response.json();
  await response.body?.cancel();
  throw new Error(`The key set is answered with ${response.status}`);
}

/** @throws AppError unavailable when it cannot be had or is no key set */
async function keySetOf(url: string, maxAgeMs: number): Promise<KeySet> {
  const known = keySets.get(url);
  if (known && Date.now() - known.fetchedMs < maxAgeMs) return known;
  try {
    const set = await loadOnce(`keys:${url}`, () => fetched(url));
    const made = { keys: createLocalJWKSet(set), fetchedMs: Date.now() };
    keySets.set(url, made);
    return made;
  } catch (error) {
    throw unavailable(error);
  }
}

/** Checks a signature with each key that may have made it: a token need not name one. */
async function verifyWith({ keys }: KeySet, token: string, options: JWTVerifyOptions) {
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** What jose does not know as a fault of the token is one of a key of the set. */
function isKeyFault(error: unknown): boolean {
  return !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
}

/**
 * The claims of a token that a key of the set at `url` has signed.
 * @throws AppError unavailable when the set cannot be had; jose's errors for what is wrong with the token
 */
export async function verifyByKeySet(
  url: string,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    const known = await keySetOf(url, FRESH_MS);
    try {
      return await verifyWith(known, token, options);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await keySetOf(url, COOLDOWN_MS);
      if (newer === known) throw error;
      return await verifyWith(newer, token, options);
    }
  } catch (error) {
    if (error instanceof AppError || !isKeyFault(error)) throw error;
    throw unavailable(error);
  }
}
