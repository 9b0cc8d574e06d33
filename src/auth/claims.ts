import type { JWTPayload } from "jose";
import { z } from "zod";
import { AppError } from "../lib/errors.ts";
import { ID_PATTERN, isCallerId } from "../lib/ids.ts";
import { ROLES, type Role, type User } from "./actor.ts";

/** The year 9999: the text of a time cannot hold a later one. */
const LAST_SECOND = 253_402_300_799;
export const LAST_MS = LAST_SECOND * 1000;

const claims = z.object({
  sub: z.string().refine(isCallerId),
  email: z.unknown().optional(),
  workspaceId: z.unknown().optional(),
  workspaces: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]).nullish(),
  role: z.unknown().optional(),
  permissions: z.unknown().optional(),
  jti: z.string().optional().catch(undefined),
  iat: z.number().optional().catch(undefined),
  exp: z.number(),
});

/** An unknown role grants nothing; the rest of the token stays valid. */
const knownRole = (name: unknown) => ROLES.find((known) => known === name);

/** A token without `role` has the role viewer. */
const globalRole = (named: unknown) => ((named ?? null) === null ? "viewer" : knownRole(named));

const textsOf = (list: unknown) =>
  Array.isArray(list) ? list.filter((each): each is string => typeof each === "string") : [];

/** A malformed workspace id is ignored; the token's other workspaces stay valid. */
const isWorkspaceId = (id: unknown): id is string => typeof id === "string" && ID_PATTERN.test(id);

function rolesOf({ workspaces, workspaceId, role }: z.output<typeof claims>) {
  const listed = workspaces ?? [workspaceId];
  if (!Array.isArray(listed)) {
    const named = Object.entries(listed).filter(([id]) => isWorkspaceId(id));
    return new Map(named.map(([id, name]) => [id, knownRole(name)]));
  }
  const everywhere = globalRole(role);
  return new Map<string, Role | undefined>(
    listed.filter(isWorkspaceId).map((id) => [id, everywhere]),
  );
}

/**
 * The user of a token's claims.
 * @param leewaySeconds how long after its `exp` the token is accepted
 * @throws AppError unauthenticated, with the name of the malformed claim
 */
export function userOf(payload: JWTPayload, leewaySeconds: number): User {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const detail = `The token's claim ${issue?.path.join(".") ?? ""} is missing or malformed.`;
    throw new AppError("unauthenticated", "invalid_token", detail);
  }
  const { sub, email, exp, permissions, workspaceId, jti, iat = 0 } = parsed.data;
  return {
    kind: "user",
    credential: { jti, issuedAtMs: iat * 1000 },
    id: sub,
    email: typeof email === "string" ? email : undefined,
    workspaces: rolesOf(parsed.data),
    workspaceId: isWorkspaceId(workspaceId) ? workspaceId : undefined,
    permissions: new Set(textsOf(permissions)),
    expiresAtMs: Math.min(exp + leewaySeconds, LAST_SECOND) * 1000,
  };
}
