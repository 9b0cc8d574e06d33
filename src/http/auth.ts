import type { Context as HonoContext, MiddlewareHandler } from "hono";
import {
  may,
  missingToken,
  type Permission,
  permittedWorkspaces,
  requireUser,
  type User,
} from "../auth/actor.ts";
import { invalidKey, looksLikeKey } from "../auth/api-key.ts";
import { authenticateToken } from "../auth/jwt.ts";
import type { Context } from "../context.ts";
import { AppError, malformed } from "../lib/errors.ts";
import { authenticateKey } from "./authenticate-key.ts";
import { withoutRevoked } from "./revoked-tokens.ts";
import type { AppEnv } from "./router.ts";

/** The token of `Authorization: Bearer …`; undefined without such a header. */
function bearerOf(header: string | undefined): string | undefined {
  return header && /^Bearer +\S+$/i.test(header) ? header.slice(7).trim() : undefined;
}

/**
 * Whom a token or an API key stands for, in the workspaces in which it is not revoked.
 * @throws AppError unauthenticated
 */
export async function authenticateText(ctx: Context, text: string): Promise<User> {
  if (looksLikeKey(text)) return authenticateKey(ctx, text);
  return withoutRevoked(ctx, await authenticateToken(ctx.config, text, ctx.now()));
}

/**
 * The token or the key of a request; undefined without any. A header `X-API-Key` holds a key only.
 * @throws AppError unauthenticated
 */
export function credentialOf(c: HonoContext<AppEnv>): string | undefined {
  const bearer = bearerOf(c.req.header("authorization"));
  const key = c.req.header("x-api-key");
  if (bearer === undefined && key !== undefined && !looksLikeKey(key)) throw invalidKey();
  return bearer ?? key;
}

/** Puts the user of the request's token or key into the context. */
export function authenticateRequest(): MiddlewareHandler<AppEnv> {
  return async function authenticate(c, next) {
    const ctx = c.get("ctx");
    const credential = credentialOf(c);
    if (!credential) throw missingToken();
    ctx.actor = await authenticateText(ctx, credential);
    await next();
  };
}

/**
 * The workspace of a request: the named one, else the token's own, else the only one.
 * @throws AppError malformed without any; forbidden if the token does not include it
 */
export function memberWorkspace(user: User, named: string | undefined): string {
  const [first, ...others] = user.workspaces.keys();
  const workspaceId = named ?? user.workspaceId ?? (others.length === 0 ? first : undefined);
  if (workspaceId === undefined)
    throw malformed(
      "query.workspace_id",
      "workspace_missing",
      "Specify workspace_id: the token covers several workspaces.",
    );
  if (!user.workspaces.has(workspaceId))
    throw new AppError(
      "forbidden",
      "workspace_forbidden",
      "The token does not include this workspace.",
    );
  return workspaceId;
}

/**
 * The same, with a permission there.
 * @throws AppError forbidden if the user lacks it
 */
export function workspaceOf(user: User, named: string | undefined, permission: Permission): string {
  const workspaceId = memberWorkspace(user, named);
  if (!may(user, workspaceId, permission))
    throw new AppError(
      "forbidden",
      "permission_missing",
      `The permission ${permission} is required.`,
    );
  return workspaceId;
}

/** Requires a permission in the workspace of the request, and sets `workspaceId`. */
export function requirePermission(permission: Permission): MiddlewareHandler<AppEnv> {
  return async function requirePermission(c, next) {
    const user = requireUser(c.get("ctx"));
    c.set("workspaceId", workspaceOf(user, c.req.query("workspace_id"), permission));
    await next();
  };
}

/**
 * Requires a permission in some workspace of the token, for answers about several of them. The
 * first one becomes `workspaceId`, as a part of the cache's key.
 */
export function requirePermissionInAnyWorkspace(permission: Permission): MiddlewareHandler<AppEnv> {
  return async function requirePermissionInAnyWorkspace(c, next) {
    const user = requireUser(c.get("ctx"));
    const named = c.req.query("workspace_id");
    const first = permittedWorkspaces(user, permission)[0];
    c.set(
      "workspaceId",
      named !== undefined || first === undefined ? workspaceOf(user, named, permission) : first,
    );
    await next();
  };
}

/**
 * Requires a permission in the workspace that the path names (`:id`), and sets `workspaceId`.
 * @throws AppError not_found if the token does not include it, as if it did not exist
 */
export function requirePermissionInPathWorkspace(
  permission: Permission,
): MiddlewareHandler<AppEnv> {
  return async function requirePermissionInPathWorkspace(c, next) {
    const user = requireUser(c.get("ctx"));
    const id = c.req.param("id") ?? "";
    if (!user.workspaces.has(id))
      throw new AppError("not_found", "not_found", "The token does not include this workspace.");
    c.set("workspaceId", workspaceOf(user, id, permission));
    await next();
  };
}
