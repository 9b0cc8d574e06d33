import type { JWTPayload } from "jose";
import { z } from "zod";
import { AppError } from "../lib/errors.ts";
import { ID_PATTERN } from "../lib/ids.ts";
import { ROLES, type Role, type User } from "./actor.ts";

const MAX_SUBJECT_BYTES = 256;
const encoder = new TextEncoder();

const workspaceId = z.string().regex(ID_PATTERN);
const subject = z
  .string()
  .min(1)
  .refine((text) => encoder.encode(text).length <= MAX_SUBJECT_BYTES)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
const claims = z.object({
  sub: subject,
  email: z.unknown().optional(),
  workspaceId: workspaceId.nullish(),
  workspaces: z.union([z.array(workspaceId), z.record(workspaceId, z.unknown())]).nullish(),
  role: z.unknown().optional(),
  permissions: z.unknown().optional(),
  exp: z.number(),
});

/** A role that is none of ours grants nothing; the token is good for the rest. */
const knownRole = (name: unknown) => ROLES.find((known) => known === name);

/** A token without `role` is a viewer's. */
const globalRole = (named: unknown) => ((named ?? null) === null ? "viewer" : knownRole(named));

const textsOf = (list: unknown) =>
  Array.isArray(list) ? list.filter((each): each is string => typeof each === "string") : [];

function rolesOf({ workspaces, workspaceId, role }: z.output<typeof claims>) {
  const listed = workspaces ?? (workspaceId ? [workspaceId] : []);
  if (!Array.isArray(listed))
    return new Map(Object.entries(listed).map(([id, name]) => [id, knownRole(name)]));
  const everywhere = globalRole(role);
  return new Map<string, Role | undefined>(listed.map((id) => [id, everywhere]));
}

/**
 * The user that a token's claims speak of.
 * @param leewaySeconds how long after its `exp` the token is accepted
 * @throws AppError unauthenticated, with the claim that cannot be
 */
export function userOf(payload: JWTPayload, leewaySeconds: number): User {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const detail = `The token's claim ${issue?.path.join(".") ?? ""} is missing or malformed.`;
    throw new AppError("unauthenticated", "invalid_token", detail);
  }
  const { sub, email, exp, permissions, workspaceId } = parsed.data;
  return {
    kind: "user",
    id: sub,
    email: typeof email === "string" ? email : undefined,
    workspaces: rolesOf(parsed.data),
    workspaceId: workspaceId ?? undefined,
    permissions: new Set(textsOf(permissions)),
    expiresAtMs: (exp + leewaySeconds) * 1000,
  };
}
