import { createRoute, z } from "@hono/zod-openapi";
import { requirePermission } from "../../http/auth.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { isWholeRead } from "../../storage/serve.ts";
import { cancelRun, countDownload, getRun, listRuns, usageOf } from "./queries.ts";
import { fileOf } from "./runs/file.ts";
import * as schema from "./schema.ts";
import { webhookSecret } from "./sharing/deliver.ts";
import { listDeliveries } from "./sharing/deliveries.ts";

const tags = ["Reports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.reportParam;
const one = z.object({ data: schema.reportRun });
const [read, write] = [requirePermission("read:reports"), requirePermission("write:reports")];

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/usage",
    tags,
    summary: "How reports are used",
    description:
      "For each report: runs, failed ones, downloads, views through links, mean seconds of a run.",
    middleware: [read] as const,
    request: { query },
    responses: {
      200: jsonContent(
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
      ...problemResponses("malformed"),
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
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.reportRun), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(
      await listRuns(c.get("ctx"), c.get("workspaceId"), undefined, { ...paging, limit }),
      200,
    );
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
    responses: { 200: jsonContent("The run.", one), ...problemResponses("malformed", "not_found") },
  }),
  async (c) =>
    c.json(
      { data: await getRun(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/cancel",
    tags,
    summary: "Stop a run",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The cancelled run.", one),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) =>
    c.json(
      { data: await cancelRun(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) },
      200,
    ),
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
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const [workspaceId, { id }] = [c.get("workspaceId"), c.req.valid("param")];
    const answer = await fileOf(c.get("ctx"), workspaceId, id, c.req.raw);
    if (isWholeRead(c.req.raw, answer)) await countDownload(c.get("ctx"), workspaceId, id);
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
      200: jsonContent(
        "In the order of the recipients.",
        z.object({ data: z.array(schema.delivery) }),
      ),
      ...problemResponses("malformed", "not_found"),
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
    description:
      "Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature (v1, HMAC-SHA256).",
    middleware: [requirePermission("manage:jobs")] as const,
    request: { query },
    responses: {
      200: jsonContent("The secret.", z.object({ data: z.object({ secret: z.string() }) })),
      ...problemResponses("malformed"),
    },
  }),
  async (c) =>
    c.json(
      { data: { secret: await webhookSecret(c.get("ctx").config, c.get("workspaceId")) } },
      200,
    ),
);

export default router;
