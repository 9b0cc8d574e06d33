import { AppError } from "../lib/errors.ts";

/** Every permission, and the roles that grant it. */
const GRANTS = {
  "read:metrics": ["owner", "admin", "analyst", "member", "viewer"],
  "read:executions": ["owner", "admin", "analyst", "member", "viewer"],
  "write:executions": ["owner", "admin", "member"],
  "read:events": ["owner", "admin", "analyst", "member", "viewer"],
  "write:events": ["owner", "admin", "member"],
  "write:agents": ["owner", "admin", "analyst", "member"],
  "write:funnels": ["owner", "admin", "analyst", "member"],
  "write:errors": ["owner", "admin", "analyst", "member"],
  "write:budgets": ["owner", "admin"],
  "write:settings": ["owner", "admin"],
  "read:exports": ["owner", "admin", "analyst", "member"],
  "write:exports": ["owner", "admin", "analyst", "member"],
  "read:reports": ["owner", "admin", "analyst", "member", "viewer"],
  "write:reports": ["owner", "admin", "analyst", "member"],
  "manage:jobs": ["owner", "admin"],
  view_executive_dashboard: ["owner", "admin", "analyst", "viewer"],
  "read:realtime": ["owner", "admin", "analyst", "member", "viewer"],
  "manage:keys": ["owner", "admin"],
} as const;

export type Permission = keyof typeof GRANTS;
export const PERMISSIONS = Object.keys(GRANTS) as Permission[];
export const ROLES = ["owner", "admin", "analyst", "member", "viewer"] as const;
export type Role = (typeof ROLES)[number];

/** The marks of a token or a key by which it can be revoked. */
export interface Credential {
  /** The token's own id. */
  jti?: string | undefined;
  /** When the token was issued; 0 where it does not say. */
  issuedAtMs: number;
  /** The id of an API key. */
  key?: string | undefined;
}

/** A person with a token, or a program with an API key (`key`). */
export interface User {
  kind: "user";
  key?: { id: string; name: string };
  credential: Credential;
  id: string;
  email: string | undefined;
  /** The workspaces of the token and the role in each; undefined for an unknown role. */
  workspaces: ReadonlyMap<string, Role | undefined>;
  /** The workspace of requests that name none. */
  workspaceId: string | undefined;
  /** Permissions that the token grants in addition to the role's. */
  permissions: ReadonlySet<string>;
  /** When the token ends. */
  expiresAtMs: number;
}

/** A user's token, a scheduled task, or (before authentication) nobody. */
export type Actor = User | { kind: "system"; task: string } | { kind: "anonymous" };

/**
 * Whether an actor has a permission in a workspace. A user has it by the role there, or by a
 * permission of the token; nobody else is granted any.
 */
export function may(actor: Actor, workspaceId: string, permission: Permission): boolean {
  if (actor.kind !== "user" || !actor.workspaces.has(workspaceId)) return false;
  const role = actor.workspaces.get(workspaceId);
  const roles: readonly Role[] = GRANTS[permission];
  return (role !== undefined && roles.includes(role)) || actor.permissions.has(permission);
}

/** The workspaces of an actor in which it has a permission, in the order of the token. */
export function permittedWorkspaces(actor: Actor, permission: Permission): string[] {
  if (actor.kind !== "user") return [];
  return [...actor.workspaces.keys()].filter((id) => may(actor, id, permission));
}

/**
 * The user who acts.
 * @throws AppError unauthenticated if nobody has authenticated
 */
export function requireUser({ actor }: { actor: Actor }): User {
  if (actor.kind === "user") return actor;
  throw missingToken();
}

/** The permissions of an actor in a workspace. */
export const permissionsIn = (actor: Actor, workspaceId: string): Permission[] =>
  PERMISSIONS.filter((permission) => may(actor, workspaceId, permission));

/** The refusal of a request without a token. */
export function missingToken(): AppError {
  return new AppError(
    "unauthenticated",
    "missing_token",
    "Send Authorization: Bearer <token>, or an API key as X-API-Key.",
  );
}

/** The author's name on what an actor creates: the user's id or the task's name. */
export function authorOf(actor: Actor): string {
  if (actor.kind === "user") return actor.id;
  return actor.kind === "system" ? actor.task : "";
}
