import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../../auth/actor.ts";
import { requirePermission } from "../../../http/auth.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape } from "../../../http/params.ts";
import { pageQuery, resourceParam, workspaceQuery } from "../../../http/resource-routes.ts";
import { createRouter } from "../../../http/router.ts";
import { idGenerator } from "../../../intake/generated-id.ts";
import { getReport } from "../definition/queries.ts";
import { listReportRuns } from "./queries.ts";
import { reportRun } from "./schema.ts";
import { startReport } from "./start.ts";

const tags = ["Reports"];
const router = createRouter();

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/{id}/run",
    tags,
    summary: "Run a report",
    description:
      "All figures are of one snapshot (as_of). Poll the Location until the status is done.",
    middleware: [requirePermission("write:reports")] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      202: jsonContent("The queued run.", z.object({ data: reportRun })),
      ...problemResponses("malformed", "not_found", "unprocessable", "rate_limited"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const report = await getReport(ctx, workspaceId, c.req.valid("param").id);
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startReport(ctx, workspaceId, generate(0).id, report, {
      author: authorOf(ctx.actor),
    });
    return c.json({ data }, 202, { location: `/api/v1/reports/runs/${data.id}` });
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/{id}/runs",
    tags,
    summary: "Runs of a report, newest first",
    middleware: [requirePermission("read:reports")] as const,
    request: { query: pageQuery, params: resourceParam },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(reportRun), page: pageShape })),
      ...problemResponses("malformed", "unprocessable", "not_found"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    await getReport(ctx, workspaceId, id);
    return c.json(await listReportRuns(ctx, workspaceId, id, { ...paging, limit }), 200);
  },
);

export default router;
