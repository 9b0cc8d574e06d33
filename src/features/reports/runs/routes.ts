import { createRoute, z } from "@hono/zod-openapi";
import { requirePermission } from "../../../http/auth.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import {
  fileResponses,
  listRoute,
  pageQuery,
  readRoute,
  resourceParam,
  workspaceQuery,
} from "../../../http/resource-routes.ts";
import { createRouter, plainResponse } from "../../../http/router.ts";
import { isWholeRead } from "../../../storage/serve.ts";
import { serveRunFile } from "./file.ts";
import {
  cancelReportRun,
  countRunDownload,
  getReportRun,
  listReportRuns,
  reportUsage,
} from "./queries.ts";
import { reportRun, reportUsageShape } from "./schema.ts";

const tag = "Reports";
const router = createRouter();
const canRead = requirePermission("read:reports");

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/usage",
    tags: [tag],
    summary: "Usage of reports",
    description:
      "For each report: runs, failed runs, downloads, views through links, mean seconds of a run.",
    middleware: [canRead] as const,
    request: { query: workspaceQuery },
    responses: {
      200: jsonContent("The most run first.", z.object({ data: z.array(reportUsageShape) })),
      ...problemResponses("malformed"),
    },
  }),
  async (c) => c.json({ data: await reportUsage(c.get("ctx"), c.get("workspaceId")) }, 200),
);

listRoute(router, {
  path: "/reports/runs",
  tag,
  summary: "Runs of all reports, newest first",
  permission: "read:reports",
  query: pageQuery,
  item: reportRun,
  load: (ctx, workspaceId, query) => listReportRuns(ctx, workspaceId, undefined, query),
});

readRoute(router, {
  path: "/reports/runs/{id}",
  tag,
  summary: "A run: its progress and its file",
  permission: "read:reports",
  item: reportRun,
  answer: "The run.",
  load: getReportRun,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/runs/{id}/cancel",
    tags: [tag],
    summary: "Cancel a run",
    middleware: [requirePermission("write:reports")] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      200: jsonContent("The cancelled run.", z.object({ data: reportRun })),
      ...problemResponses("malformed", "not_found", "conflict"),
    },
  }),
  async (c) => {
    const { id } = c.req.valid("param");
    const data = await cancelReportRun(c.get("ctx"), c.get("workspaceId"), id);
    return c.json({ data }, 200);
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/runs/{id}/download",
    tags: [tag],
    summary: "The file of a run",
    description: "Supports Range (one range), If-Range and If-None-Match.",
    middleware: [canRead] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      ...fileResponses,
      ...problemResponses("malformed", "not_found", "conflict", "gone", "range_not_satisfiable"),
    },
  }),
  async (c) => {
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const answer = await serveRunFile(c.get("ctx"), workspaceId, id, c.req.raw);
    if (isWholeRead(c.req.raw, answer)) await countRunDownload(c.get("ctx"), workspaceId, id);
    return plainResponse(answer);
  },
);

export default router;
