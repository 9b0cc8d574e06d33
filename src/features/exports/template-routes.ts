import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageParams, pageShape, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { zoneIn } from "../../store/workspaces.ts";
import { requestOf } from "./definition/request.ts";
import {
  createTemplate,
  deleteTemplate,
  getTemplate,
  listTemplates,
} from "./definition/templates.ts";
import { startExport } from "./runs/start.ts";
import * as schema from "./schema.ts";

const tags = ["Exports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.exportParam;
const one = z.object({ data: schema.template });
const [read, write] = [requirePermission("read:exports"), requirePermission("write:exports")];

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/templates",
    tags,
    summary: "Templates of exports, newest first",
    middleware: [read] as const,
    request: { query: z.strictObject({ ...workspaceParam, ...pageParams }) },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.template), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(
      await listTemplates(c.get("ctx"), c.get("workspaceId"), { ...paging, limit }),
      200,
    );
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/templates",
    tags,
    summary: "Save a question that is exported again",
    middleware: [write, limitBody(256 * 1024)] as const,
    request: {
      query,
      body: { required: true, content: { "application/json": { schema: schema.templateInput } } },
    },
    responses: {
      201: jsonContent("The template.", one),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, input] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("json")];
    const { timezone = await zoneIn(ctx, workspaceId, undefined) } = input.request;
    requestOf(workspaceId, { ...input.request, timezone }, ctx.now() * 1000, "request.");
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    return c.json(
      { data: await createTemplate(ctx, workspaceId, made(0).id, authorOf(ctx.actor), input) },
      201,
    );
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/templates/{id}",
    tags,
    summary: "One template",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The template.", one),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) =>
    c.json(
      { data: await getTemplate(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id) },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/templates/{id}/run",
    tags,
    summary: "Start an export by a template",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      202: jsonContent("The queued export.", z.object({ data: schema.exportJob })),
      ...problemResponses("malformed", "not_found", "unprocessable", "rate_limited"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const { id, request } = await getTemplate(ctx, workspaceId, c.req.valid("param").id);
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startExport(ctx, workspaceId, made(0).id, request, {
      author: authorOf(ctx.actor),
      templateId: id,
    });
    return c.json({ data }, 202, { location: `/api/v1/exports/${data.id}` });
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/exports/templates/{id}",
    tags,
    summary: "Delete a template and its schedules",
    middleware: [write] as const,
    request: { query, params },
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
