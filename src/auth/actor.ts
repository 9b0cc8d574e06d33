/** Every permission there is, and the roles that have it. */
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
} as const;

export type Permission = keyof typeof GRANTS;
export const PERMISSIONS = Object.keys(GRANTS) as [Permission, ...Permission[]];
export const ROLES = ["owner", "admin", "analyst", "member", "viewer"] as const;
export type Role = (typeof ROLES)[number];

export interface User {
  kind: "user";
  id: string;
  email: string | undefined;
  /** The workspaces of the token and the role in each, if it is one of ours. */
  workspaces: ReadonlyMap<string, Role | undefined>;
  /** The workspace when a request names none. */
  workspaceId: string | undefined;
  /** Permissions that the token grants beside those of the role. */
  permissions: ReadonlySet<string>;
  /** When the token ends. */
  expiresAtMs: number;
}

/** Who acts: a person's token, a scheduled task, or nobody yet (before authentication). */
export type Actor = User | { kind: "system"; task: string } | { kind: "anonymous" };

/** Whether a user may do this in that workspace: by role there, or by a permission of the token. */
export function may(user: User, workspaceId: string, permission: Permission): boolean {
  if (!user.workspaces.has(workspaceId)) return false;
  const role = user.workspaces.get(workspaceId);
  const roles: readonly Role[] = GRANTS[permission];
  return (role !== undefined && roles.includes(role)) || user.permissions.has(permission);
}

/** Who is named as the author of what an actor makes. */
export function authorOf(actor: Actor): string {
  if (actor.kind === "user") return actor.id;
  return actor.kind === "system" ? actor.task : "";
}
