import {
  createRemoteJWKSet,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from "jose";
import { z } from "zod";
import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";
import { ID_PATTERN } from "../lib/ids.ts";
import { ROLES, type Role, type User } from "./actor.ts";

const SYMMETRIC = ["HS256"];
const ASYMMETRIC = ["RS256", "ES256", "EdDSA"];
const MAX_REMEMBERED = 10_000;

const workspaceId = z.string().regex(ID_PATTERN);
const role = z.enum(ROLES);
const claims = z.object({
  sub: z.string().min(1).max(256),
  email: z.string().optional(),
  workspaceId: workspaceId.optional(),
  workspaces: z.union([z.array(workspaceId), z.record(workspaceId, role)]).optional(),
  role: role.optional(),
  permissions: z.array(z.string()).default([]),
  exp: z.number(),
});

const keySets = new Map<string, ReturnType<typeof createRemoteJWKSet>>();
/** Verified tokens of this isolate: checking a signature again would cost half of a cached answer. */
const remembered = new Map<string, { config: Config; user: User }>();

function refused(detail: string, cause?: unknown): AppError {
  return new AppError("unauthenticated", "invalid_token", detail, { cause });
}

function userOf(payload: JWTPayload): User {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw refused(`The token's claim ${issue?.path.join(".") ?? ""} is missing or malformed.`);
  }
  const { sub, email, exp, permissions, role: global = "viewer", ...rest } = parsed.data;
  const listed = rest.workspaces ?? (rest.workspaceId ? [rest.workspaceId] : []);
  const workspaces = new Map<string, Role>(
    Array.isArray(listed) ? listed.map((id) => [id, global]) : Object.entries(listed),
  );
  return {
    kind: "user",
    id: sub,
    email,
    workspaces,
    workspaceId: rest.workspaceId,
    permissions: new Set(permissions),
    expiresAtMs: exp * 1000,
  };
}

function algorithmOf(token: string): string {
  try {
    return decodeProtectedHeader(token).alg ?? "";
  } catch (error) {
    throw refused("The token is not a JWT.", error);
  }
}

/** The algorithm is chosen by what this instance is configured for, from a fixed list, never by the token alone. */
async function verify(config: Config, token: string): Promise<JWTPayload> {
  const alg = algorithmOf(token);
  const options = (algorithms: string[]): JWTVerifyOptions => ({
    algorithms,
    requiredClaims: ["exp", "sub"],
    ...(config.JWT_ISSUER ? { issuer: config.JWT_ISSUER } : {}),
    ...(config.JWT_AUDIENCE ? { audience: config.JWT_AUDIENCE } : {}),
  });
  if (SYMMETRIC.includes(alg) && config.JWT_SECRET_KEY) {
    const key = new TextEncoder().encode(config.JWT_SECRET_KEY);
    return (await jwtVerify(token, key, options(SYMMETRIC))).payload;
  }
  if (ASYMMETRIC.includes(alg) && config.JWT_JWKS_URL) {
    const keys =
      keySets.get(config.JWT_JWKS_URL) ?? createRemoteJWKSet(new URL(config.JWT_JWKS_URL));
    keySets.set(config.JWT_JWKS_URL, keys);
    return (await jwtVerify(token, keys, options(ASYMMETRIC))).payload;
  }
  throw refused(`The algorithm ${alg.slice(0, 16) || "none"} is not accepted.`);
}

/** What jose does not know as a fault of the token is one of the key set: out of reach, or not a key set. */
function isKeySetFault(error: unknown): boolean {
  return (
    !(error instanceof errors.JOSEError) ||
    error instanceof errors.JWKSTimeout ||
    error instanceof errors.JWKSInvalid ||
    error.code === "ERR_JOSE_GENERIC"
  );
}

/**
 * The user of a token. A token is checked once and remembered until it expires.
 * @throws AppError unauthenticated (expired, forged, for someone else, malformed), unavailable when the key set cannot be had
 */
export async function authenticateToken(
  config: Config,
  token: string,
  nowMs: number,
): Promise<User> {
  const known = remembered.get(token);
  if (known && known.config === config) {
    if (known.user.expiresAtMs > nowMs) return known.user;
    remembered.delete(token);
  }
  try {
    const user = userOf(await verify(config, token));
    const [oldest] = remembered.size >= MAX_REMEMBERED ? remembered.keys() : [];
    if (oldest !== undefined) remembered.delete(oldest);
    remembered.set(token, { config, user });
    return user;
  } catch (error) {
    if (error instanceof AppError) throw error;
    if (error instanceof errors.JWTExpired) throw refused("The token has expired.", error);
    if (error instanceof errors.JWTClaimValidationFailed)
      throw refused(`The token's ${error.claim} is not accepted.`, error);
    if (isKeySetFault(error))
      throw new AppError("unavailable", "keys_unavailable", "The key set cannot be reached.", {
        retryAfterSeconds: 5,
        cause: error,
      });
    throw refused("The token is not valid.", error);
  }
}
