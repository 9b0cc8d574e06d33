import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { authorOf } from "../../../auth/actor.ts";
import { requirePermission } from "../../../http/auth.ts";
import { limitBody } from "../../../http/body.ts";
import { problemResponses } from "../../../http/errors.ts";
import { publicUrl } from "../../../http/links.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import { idParam } from "../../../http/params.ts";
import { fileResponses, resourceParam, workspaceQuery } from "../../../http/resource-routes.ts";
import { type AppEnv, createRouter, plainResponse } from "../../../http/router.ts";
import { AppError } from "../../../lib/errors.ts";
import { isWholeRead } from "../../../storage/serve.ts";
import { serveRunFile } from "../runs/file.ts";
import { getReportRun } from "../runs/queries.ts";
import { shareInput, shareShape } from "./schema.ts";
import type { ShareVisit } from "./share-password.ts";
import { countShareView, listShares, revokeShare } from "./share-queries.ts";
import { createShare, openShare } from "./shares.ts";

const DEFAULT_SHARE_DAYS = 7;
const MAX_BODY_BYTES = 4 * 1024;
const tags = ["Reports"];
const router = createRouter();
const canRead = requirePermission("read:reports");
const canWrite = requirePermission("write:reports");

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/share",
    tags,
    summary: "Create a link to a run, for readers without a token",
    description: "The link is answered once: only the hash of its 32 random bytes is stored.",
    middleware: [canWrite, limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      params: resourceParam,
      body: { required: true, content: { "application/json": { schema: shareInput } } },
    },
    responses: {
      201: jsonContent("The link.", z.object({ data: shareShape.extend({ url: z.string() }) })),
      ...problemResponses(
        "malformed",
        "not_found",
        "conflict",
        "gone",
        "too_large",
        "unsupported_media_type",
        "unprocessable",
      ),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const { expires_in_days: days = DEFAULT_SHARE_DAYS, password } = c.req.valid("json");
    const { status } = await getReportRun(ctx, workspaceId, id);
    if (status !== "done") throw new AppError("conflict", "run_not_done", `The run is ${status}.`);
    const { share, token } = await createShare(ctx, workspaceId, id, {
      author: authorOf(ctx.actor),
      days,
      password,
    });
    return c.json({ data: { ...share, url: publicUrl(c, `/api/v1/shared/${token}`) } }, 201);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/shares",
    tags,
    summary: "Links to a run, newest first",
    middleware: [canRead] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: jsonContent("The links.", z.object({ data: z.array(shareShape) })),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    await getReportRun(ctx, workspaceId, id);
    return c.json({ data: await listShares(ctx, workspaceId, id) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/reports/runs/{id}/shares/{share}",
    tags,
    summary: "Revoke a link",
    middleware: [canWrite] as const,
    request: { query: workspaceQuery, params: resourceParam.extend({ share: idParam }) },
    responses: {
      204: { description: "The link is revoked." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    const { id, share } = c.req.valid("param");
    await revokeShare(c.get("ctx"), c.get("workspaceId"), id, share);
    return c.body(null, 204);
  },
);

/** Serves the file of a link. A read of the whole file counts as a view. */
async function serveSharedFile(
  c: HonoContext<AppEnv>,
  secret: string,
  visit?: ShareVisit,
): Promise<Response> {
  const ctx = c.get("ctx");
  const { workspaceId, runId } = await openShare(ctx, secret, visit);
  const answer = await serveRunFile(ctx, workspaceId, runId, c.req.raw);
  if (isWholeRead(c.req.raw, answer)) await countShareView(ctx, secret);
  return answer;
}

/** Routes that need no token: the link in the path is a secret. */
export const sharedFiles = createRouter();
const linkParam = z.object({ token: z.string().max(128) });
const sharedResponses = {
  ...fileResponses,
  ...problemResponses(
    "malformed",
    "not_found",
    "conflict",
    "gone",
    "range_not_satisfiable",
    "rate_limited",
  ),
};

sharedFiles.openapi(
  createRoute({
    method: "get",
    path: "/shared/{token}",
    tags,
    summary: "A shared report",
    security: [],
    request: { params: linkParam },
    responses: sharedResponses,
  }),
  async (c) => plainResponse(await serveSharedFile(c, c.req.valid("param").token)),
);

const passwordInput = z.strictObject({ password: z.string().max(256) });

sharedFiles.openapi(
  createRoute({
    method: "post",
    path: "/shared/{token}",
    tags,
    summary: "A shared report that has a password",
    description: [
      "An address has five wrong passwords; each further one doubles its wait (30 s to an hour),",
      "which Retry-After states. All addresses together have 100 wrong passwords in an hour;",
      "addresses that gave the right password before are exempt from that limit.",
    ].join(" "),
    security: [],
    middleware: [limitBody(MAX_BODY_BYTES)] as const,
    request: {
      params: linkParam,
      body: { required: true, content: { "application/json": { schema: passwordInput } } },
    },
    responses: { ...sharedResponses, ...problemResponses("too_large", "unsupported_media_type") },
  }),
  async (c) => {
    const visit = {
      password: c.req.valid("json").password,
      // The platform sets this header itself, whatever a request sends.
      address: c.req.header("cf-connecting-ip") ?? "",
    };
    return plainResponse(await serveSharedFile(c, c.req.valid("param").token, visit));
  },
);

export default router;
