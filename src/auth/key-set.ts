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
/** A key set is fetched again after this time, and sooner for a key that it does not have. */
const FRESH_MS = 600_000;
const COOLDOWN_MS = 30_000;
/** A set that cannot be fetched again is good for so long, and is not asked for again at once. */
const KEPT_MS = 3_600_000;
const PAUSE_MS = 5_000;

/** The key set of this isolate's configuration, as data: the request that fetched it is long answered. */
const keySets = new BoundedStore<KeySet>(32 * MAX_BYTES);
/** The last fetch, if it failed. */
let failure: { url: string; atMs: number; error: AppError } | undefined;

function unavailable(cause: unknown): AppError {
  return new AppError("unavailable", "keys_unavailable", "The key set cannot be reached.", {
    retryAfterSeconds: PAUSE_MS / 1000,
    cause,
  });
}

/** @throws Error for a text of more than `MAX_BYTES` */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", 0];
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error("The key set is too large");
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** @throws Error when there is no answer in time, or none that is a key set */
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
  // Throws for what is no key set.
  createLocalJWKSet(set);
  const made = { set, fetchedMs: Date.now() };
  keySets.set(url, made, { bytes: bytesOf(text), untilMs: made.fetchedMs + KEPT_MS });
  failure = undefined;
  return made;
}

/**
 * The set, fetched if the known one is older than `maxAgeMs`. When it cannot be fetched, the known one stays good.
 * @throws AppError unavailable when none is known
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

/** Checks a signature with each key that may have made it: a token need not name one. */
async function verifyWith({ set }: KeySet, token: string, options: JWTVerifyOptions) {
  // Made anew for each token: it keeps the promises of the keys that it imports, and those are of one request.
  const keys = createLocalJWKSet(set);
  try {
    return (await jwtVerify(token, keys, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (error) {
        // The claims are looked at after the signature: it was the right key.
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

/** The key is not in the set: by its name or, where the token names none, by its signature. */
const isOfAnotherKey = (error: unknown) =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWSSignatureVerificationFailed;

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
