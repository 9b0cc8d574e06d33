import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { DAY_US } from "../../lib/time.ts";
import { checkAll } from "./definition/define.ts";
import { createTemplate, deleteTemplate, listTemplates } from "./definition/workspace-templates.ts";
import * as schema from "./schema.ts";

const tags = ["Reports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const [read, write] = [requirePermission("read:reports"), requirePermission("write:reports")];

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/templates",
    tags,
    summary: "Templates of reports",
    description:
      "Sections that a report can begin with (template_id): those of every workspace, then the workspace's own.",
    middleware: [read] as const,
    request: { query },
    responses: {
      200: jsonContent("The templates.", z.object({ data: z.array(schema.template) })),
      ...problemResponses("malformed"),
    },
  }),
  async (c) => c.json({ data: await listTemplates(c.get("ctx"), c.get("workspaceId")) }, 200),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/templates",
    tags,
    summary: "Save a template",
    middleware: [write, limitBody(64 * 1024)] as const,
    request: {
      query,
      body: { required: true, content: { "application/json": { schema: schema.templateInput } } },
    },
    responses: {
      201: jsonContent("The template.", z.object({ data: schema.template })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, input] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("json")];
    const now = ctx.now() * 1000;
    checkAll(
      workspaceId,
      { sections: input.sections, timezone: "UTC", filters: [] },
      { from: now - DAY_US, to: now },
    );
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    return c.json(
      { data: await createTemplate(ctx, workspaceId, made(0).id, authorOf(ctx.actor), input) },
      201,
    );
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/reports/templates/{id}",
    tags,
    summary: "Delete a template of the workspace",
    description: "Reports that began with it keep their sections.",
    middleware: [write] as const,
    request: { query, params: schema.reportParam },
    responses: {
      204: { description: "It is gone." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    await deleteTemplate(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return c.body(null, 204);
  },
);

export default router;
