import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../../auth/actor.ts";
import { requirePermission } from "../../../http/auth.ts";
import { limitBody } from "../../../http/body.ts";
import { problemResponses } from "../../../http/errors.ts";
import { jsonContent } from "../../../http/metrics-route.ts";
import {
  deleteRoute,
  listRoute,
  pageQuery,
  readRoute,
  resourceParam,
  workspaceQuery,
} from "../../../http/resource-routes.ts";
import { createRouter } from "../../../http/router.ts";
import { idGenerator } from "../../../intake/generated-id.ts";
import { zoneIn } from "../../../store/workspaces.ts";
import { startExport } from "../runs/start.ts";
import { exportJob, exportTemplate, exportTemplateInput } from "../schema.ts";
import { exportRequestOf } from "./request.ts";
import {
  createExportTemplate,
  deleteExportTemplate,
  getExportTemplate,
  listExportTemplates,
} from "./template-queries.ts";

const MAX_BODY_BYTES = 256 * 1024;
const tag = "Exports";
const router = createRouter();
const canWrite = requirePermission("write:exports");

listRoute(router, {
  path: "/exports/templates",
  tag,
  summary: "Templates of exports, newest first",
  permission: "read:exports",
  query: pageQuery,
  item: exportTemplate,
  load: listExportTemplates,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/templates",
    tags: [tag],
    summary: "Save an export request as a template",
    middleware: [canWrite, limitBody(MAX_BODY_BYTES)] as const,
    request: {
      query: workspaceQuery,
      body: { required: true, content: { "application/json": { schema: exportTemplateInput } } },
    },
    responses: {
      201: jsonContent("The template.", z.object({ data: exportTemplate })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const input = c.req.valid("json");
    const { timezone = await zoneIn(ctx, workspaceId, undefined) } = input.request;
    exportRequestOf(workspaceId, { ...input.request, timezone }, ctx.now() * 1000, "request.");
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const author = authorOf(ctx.actor);
    const data = await createExportTemplate(ctx, workspaceId, generate(0).id, author, input);
    return c.json({ data }, 201);
  },
);

readRoute(router, {
  path: "/exports/templates/{id}",
  tag,
  summary: "A template",
  permission: "read:exports",
  item: exportTemplate,
  answer: "The template.",
  load: getExportTemplate,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/templates/{id}/run",
    tags: [tag],
    summary: "Start an export from a template",
    middleware: [canWrite] as const,
    request: { query: workspaceQuery, params: resourceParam },
    responses: {
      202: jsonContent("The queued export.", z.object({ data: exportJob })),
      ...problemResponses("malformed", "not_found", "unprocessable", "rate_limited"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id, request } = await getExportTemplate(ctx, workspaceId, c.req.valid("param").id);
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startExport(ctx, workspaceId, generate(0).id, request, {
      author: authorOf(ctx.actor),
      templateId: id,
    });
    return c.json({ data }, 202, { location: `/api/v1/exports/${data.id}` });
  },
);

deleteRoute(router, {
  path: "/exports/templates/{id}",
  tag,
  summary: "Delete a template and its schedules",
  permission: "write:exports",
  remove: deleteExportTemplate,
});

export default router;
