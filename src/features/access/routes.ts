import { createRoute, z } from "@hono/zod-openapi";
import { permissionsIn, requireUser, type User } from "../../auth/actor.ts";
import { LAST_MS } from "../../auth/claims.ts";
import { memberWorkspace, requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import {
  deleteRoute,
  listRoute,
  pageQuery,
  resourceParam,
  workspaceQuery,
} from "../../http/resource-routes.ts";
import { createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { listKeys } from "../../store/api-keys.ts";
import { issueKey, renewKey, revokeKey, shownKey } from "./keys.ts";
import { addRevocationRoutes } from "./revocation-routes.ts";
import * as schema from "./schema.ts";

const tags = ["Access"];
const router = createRouter();
const MAX_BODY_BYTES = 16 * 1024;
const refused = ["malformed", "too_large", "unsupported_media_type", "unprocessable"] as const;

const permissionsOf = (user: User, workspaceId: string) => ({
  workspace_id: workspaceId,
  role: user.workspaces.get(workspaceId) ?? null,
  permissions: permissionsIn(user, workspaceId),
});

router.openapi(
  createRoute({
    method: "get",
    path: "/auth/me",
    tags,
    summary: "Who asks",
    description: "The token or the API key of the request, and what it may do in each workspace.",
    request: { query: z.strictObject({}) },
    responses: {
      200: jsonContent("Who asks.", z.object({ data: schema.meShape })),
      ...problemResponses("malformed"),
    },
  }),
  (c) => {
    const user = requireUser(c.get("ctx"));
    const { id, key = null, email = null, workspaceId = null, expiresAtMs } = user;
    const data = {
      kind: key ? ("key" as const) : ("user" as const),
      id,
      email,
      key,
      workspace_id: workspaceId,
      workspaces: [...user.workspaces.keys()].map((each) => permissionsOf(user, each)),
      expires_at: expiresAtMs === LAST_MS ? null : new Date(expiresAtMs).toISOString(),
    };
    return c.json({ data }, 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/auth/permissions",
    tags,
    summary: "What the asker may do in a workspace",
    request: { query: workspaceQuery },
    responses: {
      200: jsonContent("The permissions.", z.object({ data: schema.permissionsShape })),
      ...problemResponses("malformed"),
    },
  }),
  (c) => {
    const user = requireUser(c.get("ctx"));
    const workspaceId = memberWorkspace(user, c.req.valid("query").workspace_id);
    return c.json({ data: permissionsOf(user, workspaceId) }, 200);
  },
);

listRoute(router, {
  path: "/auth/api-keys",
  tag: "Access",
  summary: "API keys, newest first",
  description: "Without their secrets, which nobody can see again.",
  permission: "manage:keys",
  query: pageQuery,
  item: schema.keyShape,
  load: async (ctx, workspaceId, query) => {
    const { data, page } = await listKeys(ctx.db, workspaceId, query);
    return { data: data.map((key) => shownKey(ctx, key)), page };
  },
});

router.openapi(
  createRoute({
    method: "post",
    path: "/auth/api-keys",
    tags,
    summary: "Create an API key",
    description: [
      "A key acts in this workspace, with the permissions of its scopes;",
      "its author must have each of them. `secret` is shown only now.",
      "Send it as `Authorization: Bearer sk_…` or as `X-API-Key`.",
    ].join(" "),
    middleware: [requirePermission("manage:keys"), limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      body: { required: true, content: { "application/json": { schema: schema.keyInput } } },
    },
    responses: {
      201: jsonContent("The key.", z.object({ data: schema.newKeyShape })),
      ...problemResponses(...refused, "conflict"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), "api-keys\n");
    const data = await issueKey(ctx, workspaceId, made(0).id, c.req.valid("json"));
    return c.json({ data }, 201);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/auth/api-keys/{id}/rotate",
    tags,
    summary: "Give an API key another secret",
    description:
      "The secret of before is accepted for `overlap_seconds` more; one before that ends at once.",
    middleware: [requirePermission("manage:keys"), limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      params: resourceParam,
      body: { required: true, content: { "application/json": { schema: schema.rotationInput } } },
    },
    responses: {
      200: jsonContent("The key.", z.object({ data: schema.newKeyShape })),
      ...problemResponses(...refused, "not_found"),
    },
  }),
  async (c) => {
    const { overlap_seconds } = c.req.valid("json");
    const { id } = c.req.valid("param");
    const data = await renewKey(c.get("ctx"), c.get("workspaceId"), id, overlap_seconds);
    return c.json({ data }, 200);
  },
);

deleteRoute(router, {
  path: "/auth/api-keys/{id}",
  tag: "Access",
  summary: "Delete an API key",
  description: "It is refused from now on, by every instance within 30 seconds.",
  permission: "manage:keys",
  remove: revokeKey,
});

addRevocationRoutes(router);

export default router;
