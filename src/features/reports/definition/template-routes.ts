import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../../auth/actor.ts";
import { requirePermission } from "../../../http/auth.ts";
import { limitBody } from "../../../http/body.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import { deleteRoute, workspaceQuery } from "../../../http/resource-routes.ts";
import { createRouter } from "../../../http/router.ts";
import { idGenerator } from "../../../intake/generated-id.ts";
import { DAY_US } from "../../../lib/time.ts";
import { checkSectionQueries } from "./define.ts";
import { reportTemplate, reportTemplateInput } from "./schema.ts";
import {
  createReportTemplate,
  deleteReportTemplate,
  listReportTemplates,
} from "./template-queries.ts";

const tag = "Reports";
const router = createRouter();

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/templates",
    tags: [tag],
    summary: "Templates of reports",
    description: [
      "A report may take its sections from a template (template_id).",
      "The templates of every workspace come first, then the workspace's own.",
    ].join(" "),
    middleware: [requirePermission("read:reports")] as const,
    request: { query: workspaceQuery },
    responses: {
      200: jsonContent("The templates.", z.object({ data: z.array(reportTemplate) })),
      ...problemResponses("malformed"),
    },
  }),
  async (c) => c.json({ data: await listReportTemplates(c.get("ctx"), c.get("workspaceId")) }, 200),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/templates",
    tags: [tag],
    summary: "Save a template",
    middleware: [requirePermission("write:reports"), limitBody(64 * 1024)] as const,
    request: {
      query: workspaceQuery,
      body: { required: true, content: { "application/json": { schema: reportTemplateInput } } },
    },
    responses: {
      201: jsonContent("The template.", z.object({ data: reportTemplate })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const input = c.req.valid("json");
    const nowUs = ctx.now() * 1000;
    checkSectionQueries(
      workspaceId,
      { sections: input.sections, timezone: "UTC", filters: [] },
      { from: nowUs - DAY_US, to: nowUs },
    );
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const author = authorOf(ctx.actor);
    const data = await createReportTemplate(ctx, workspaceId, generate(0).id, author, input);
    return c.json({ data }, 201);
  },
);

deleteRoute(router, {
  path: "/reports/templates/{id}",
  tag,
  summary: "Delete a template of the workspace",
  description: "Reports that were defined with it keep their sections.",
  permission: "write:reports",
  remove: deleteReportTemplate,
});

export default router;
