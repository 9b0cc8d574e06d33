import { createRoute, z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { authorOf } from "../../auth/actor.ts";
import { require } from "../../auth/middleware.ts";
import { limitBody } from "../../http/body.ts";
import { problems } from "../../http/errors.ts";
import { DEFAULT_LIMIT, idParam, page, workspaceParam } from "../../http/params.ts";
import { type AppEnv, createRouter } from "../../http/router.ts";
import { json } from "../../http/view.ts";
import { AppError } from "../../lib/errors.ts";
import { serveObject } from "../../storage/serve.ts";
import { listDeliveries, webhookSecret } from "./deliver.ts";
import { cancelRun, countDownload, getRun, listRuns, usageOf } from "./queries.ts";
import { fileKey } from "./run.ts";
import * as schema from "./schema.ts";
import { createShare, listShares, openShare, revokeShare } from "./shares.ts";

const tags = ["Reports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.reportParam;
const one = z.object({ data: schema.reportRun });
const [read, write] = [require("read:reports"), require("write:reports")];

/** The file of a run that is done. @throws AppError not_found, gone, conflict */
async function fileOf(c: HonoContext<AppEnv>, workspaceId: string, id: string): Promise<Response> {
  const ctx = c.get("ctx");
  const { status, file } = await getRun(ctx, workspaceId, id);
  if (status === "expired") throw new AppError("gone", "run_expired", "The file of this run has expired.");
  if (!file) throw new AppError("conflict", "run_not_done", `The run is ${status}.`);
  return serveObject(ctx.files, fileKey(workspaceId, id), c.req.raw, file.name, file.content_type);
}

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/usage",
    tags,
    summary: "How reports are used",
    description: "For each report: runs, failed ones, downloads, views through links, mean seconds of a run.",
    middleware: [read] as const,
    request: { query },
    responses: {
      200: json(
        "The most run first.",
        z.object({
          data: z.array(
            z.object({
              report_id: z.string(),
              name: z.string().nullable(),
              runs: z.int(),
              failed: z.int(),
              downloads: z.int(),
              views: z.int(),
              seconds_avg: z.number().nullable(),
            }),
          ),
        }),
      ),
      ...problems("malformed"),
    },
  }),
  async (c) => c.json({ data: await usageOf(c.get("ctx"), c.get("workspaceId")) }, 200),
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs",
    tags,
    summary: "Runs of all reports, newest first",
    middleware: [read] as const,
    request: { query: schema.listParams },
    responses: { 200: json("A page.", z.object({ data: z.array(schema.reportRun), page })), ...problems("malformed", "impossible") },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(await listRuns(c.get("ctx"), c.get("workspaceId"), undefined, { ...paging, limit }), 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}",
    tags,
    summary: "One run: how far it is, and its file",
    middleware: [read] as const,
    request: { query, params },
    responses: { 200: json("The run.", one), ...problems("malformed", "not_found") },
  }),
  async (c) => c.json({ data: await getRun(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) }, 200),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/cancel",
    tags,
    summary: "Stop a run",
    middleware: [write] as const,
    request: { query, params },
    responses: { 200: json("The cancelled run.", one), ...problems("malformed", "not_found", "conflict") },
  }),
  async (c) => c.json({ data: await cancelRun(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) }, 200),
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/download",
    tags,
    summary: "The file of a run",
    description: "Answers Range (one range), If-Range and If-None-Match.",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: { description: "The file." },
      206: { description: "The asked part of it." },
      304: { description: "It is the one that the caller has." },
      ...problems("malformed", "not_found", "conflict", "gone", "range"),
    },
  }),
  async (c) => {
    const [workspaceId, { id }] = [c.get("workspaceId"), c.req.valid("param")];
    const answer = await fileOf(c, workspaceId, id);
    if (answer.status === 200) await countDownload(c.get("ctx"), workspaceId, id);
    return answer as never;
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/deliveries",
    tags,
    summary: "What was sent of a run, to whom, and what they answered",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: json("In the order of the recipients.", z.object({ data: z.array(schema.delivery) })),
      ...problems("malformed", "not_found"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    await getRun(ctx, workspaceId, id);
    return c.json({ data: await listDeliveries(ctx, workspaceId, id) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/webhook-secret",
    tags,
    summary: "The secret that signs this workspace's webhooks",
    description: "Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature (v1, HMAC-SHA256).",
    middleware: [require("manage:jobs")] as const,
    request: { query },
    responses: { 200: json("The secret.", z.object({ data: z.object({ secret: z.string() }) })), ...problems("malformed") },
  }),
  async (c) => c.json({ data: { secret: await webhookSecret(c.get("ctx").config, c.get("workspaceId")) } }, 200),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/share",
    tags,
    summary: "A link to a run, for people without a token",
    description: "The link is given once: only the hash of its 32 random bytes is kept.",
    middleware: [write, limitBody(4 * 1024)] as const,
    request: { query, params, body: { required: true, content: { "application/json": { schema: schema.shareInput } } } },
    responses: {
      201: json("The link.", z.object({ data: schema.share.extend({ url: z.string() }) })),
      ...problems("malformed", "not_found", "conflict", "gone", "too_large", "unsupported"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    const { expires_in_days: days = 7, password } = c.req.valid("json");
    const { status } = await getRun(ctx, workspaceId, id);
    if (status !== "done") throw new AppError("conflict", "run_not_done", `The run is ${status}.`);
    const { share, token } = await createShare(ctx, workspaceId, id, authorOf(ctx.actor), days, password);
    return c.json({ data: { ...share, url: new URL(`/api/v1/shared/${token}`, c.req.url).href } }, 201);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/shares",
    tags,
    summary: "Links to a run, newest first",
    middleware: [read] as const,
    request: { query, params },
    responses: { 200: json("The links.", z.object({ data: z.array(schema.share) })), ...problems("malformed", "not_found") },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    await getRun(ctx, workspaceId, id);
    return c.json({ data: await listShares(ctx, workspaceId, id) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/reports/runs/{id}/shares/{share}",
    tags,
    summary: "End a link",
    middleware: [write] as const,
    request: { query, params: params.extend({ share: idParam }) },
    responses: { 204: { description: "It leads nowhere any more." }, ...problems("malformed", "not_found") },
  }),
  async (c) => {
    const { id, share } = c.req.valid("param");
    await revokeShare(c.get("ctx"), c.get("workspaceId"), id, share);
    return c.body(null, 204);
  },
);

/** What needs no token: the link is one. */
export const shared = createRouter();
const token = z.object({ token: z.string().max(128) });
const answers = {
  200: { description: "The file." },
  206: { description: "The asked part of it." },
  304: { description: "It is the one that the caller has." },
  ...problems("malformed", "not_found", "conflict", "gone", "range", "limited"),
};

shared.openapi(
  createRoute({
    method: "get",
    path: "/shared/{token}",
    tags,
    summary: "A shared report",
    security: [],
    request: { params: token },
    responses: answers,
  }),
  async (c) => {
    const { workspaceId, runId } = await openShare(c.get("ctx"), c.req.valid("param").token, undefined);
    return (await fileOf(c, workspaceId, runId)) as never;
  },
);

shared.openapi(
  createRoute({
    method: "post",
    path: "/shared/{token}",
    tags,
    summary: "A shared report that has a password",
    description: "Five wrong passwords are free; each further one doubles the wait.",
    security: [],
    middleware: [limitBody(4 * 1024)] as const,
    request: {
      params: token,
      body: { required: true, content: { "application/json": { schema: z.strictObject({ password: z.string().max(256) }) } } },
    },
    responses: answers,
  }),
  async (c) => {
    const { workspaceId, runId } = await openShare(c.get("ctx"), c.req.valid("param").token, c.req.valid("json").password);
    return (await fileOf(c, workspaceId, runId)) as never;
  },
);

export default router;
