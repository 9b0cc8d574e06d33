import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { loadOnce } from "../cache/single-flight.ts";
import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";
import { AppError } from "../lib/errors.ts";

interface KeySet {
  set: JSONWebKeySet;
  fetchedMs: number;
}

const FETCH_MS = 5_000;
const MAX_BYTES = 64 * 1024;
/** A key set is fetched again after this time, and sooner for an unknown key. */
const FRESH_MS = 600_000;
const COOLDOWN_MS = 30_000;
/** A set that cannot be fetched again stays valid for KEPT_MS; the next try waits PAUSE_MS. */
const KEPT_MS = 3_600_000;
const PAUSE_MS = 5_000;

/** Key sets by URL, as data: the request that fetched one has long been answered. */
const keySets = new BoundedStore<KeySet>(32 * MAX_BYTES);
/** The last fetch, if it failed. */
let failure: { url: string; atMs: number; error: AppError } | undefined;

function unavailable(cause: unknown): AppError {
  return new AppError("unavailable", "keys_unavailable", "The key set cannot be reached.", {
    retryAfterSeconds: PAUSE_MS / 1000,
    cause,
  });
}

/** @throws Error for more than `MAX_BYTES` */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error("The key set is too large");
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** @throws Error without an answer in time, or for one that is not a key set */
async function fetchSet(url: string): Promise<KeySet> {
  const signal = AbortSignal.timeout(FETCH_MS);
  const headers = { accept: "application/json, application/jwk-set+json" };
  const response = await fetch(url, { headers, redirect: "manual", signal });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The key set is answered with ${response.status}`);
  }
  const text = await textOf(response);
  const set = JSON.parse(text) as JSONWebKeySet;
  // Throws for a text that is not a key set.
  createLocalJWKSet(set);
  const made = { set, fetchedMs: Date.now() };
  keySets.set(url, made, { bytes: bytesOf(text), untilMs: made.fetchedMs + KEPT_MS });
  failure = undefined;
  return made;
}

/**
 * The set, fetched if the known one is older than `maxAgeMs`. If the fetch fails, the known one is
 * used.
 * @throws AppError unavailable without a known one
 */
async function keySetOf(url: string, maxAgeMs: number): Promise<KeySet> {
  const nowMs = Date.now();
  const known = keySets.get(url, nowMs);
  if (known && nowMs - known.fetchedMs < maxAgeMs) return known;
  try {
    if (failure && failure.url === url && nowMs - failure.atMs < PAUSE_MS) throw failure.error;
    return await loadOnce(`keys:${url}`, async () => {
      try {
        return await fetchSet(url);
      } catch (cause) {
        failure = { url, atMs: Date.now(), error: unavailable(cause) };
        throw failure.error;
      }
    });
  } catch (error) {
    if (known) return known;
    throw error;
  }
}

/** Checks a signature with each key that may have made it: a token need not name its key. */
async function verifyWith({ set }: KeySet, token: string, options: JWTVerifyOptions) {
  // Made for each token: it keeps promises of imported keys, which belong to one request.
  const keys = createLocalJWKSet(set);
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        // Claims are checked after the signature: it was the right key.
        if (isClaimFault(error)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

const isClaimFault = (error: unknown) =>
  error instanceof errors.JWTExpired ||
  error instanceof errors.JWTClaimValidationFailed ||
  error instanceof errors.JWTInvalid;

/** The token's key is not in the set. */
const isOfAnotherKey = (error: unknown) =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWSSignatureVerificationFailed;

/** An error that is not about the token: a key of the set is at fault. */
function isKeyFault(error: unknown): boolean {
  return !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
}

/**
 * The claims of a token that a key of the set at `url` has signed.
 * @throws AppError unavailable without the set; jose's errors for a token that is not valid
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
      if (!isOfAnotherKey(error)) throw error;
      const newer = await keySetOf(url, COOLDOWN_MS);
      if (newer === known) throw error;
      return await verifyWith(newer, token, options);
    }
  } catch (error) {
    if (error instanceof AppError || !isKeyFault(error)) throw error;
    throw unavailable(error);
  }
}
