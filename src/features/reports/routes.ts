import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { DEFAULT_LIMIT, pageShape, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import { definitionOf } from "./definition/define.ts";
import {
  createReport,
  deleteReport,
  getReport,
  listReports,
  listRuns,
  replaceReport,
  shown,
} from "./queries.ts";
import { startReport } from "./runs/start.ts";
import * as schema from "./schema.ts";

const tags = ["Reports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.reportParam;
const one = z.object({ data: schema.report });
const body = { required: true, content: { "application/json": { schema: schema.reportInput } } };
const refused = [
  "malformed",
  "too_large",
  "unsupported_media_type",
  "unprocessable",
  "not_found",
] as const;
const [read, write] = [requirePermission("read:reports"), requirePermission("write:reports")];

router.openapi(
  createRoute({
    method: "get",
    path: "/reports",
    tags,
    summary: "Reports, newest first",
    middleware: [read] as const,
    request: { query: schema.listParams },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.report), page: pageShape })),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(await listReports(c.get("ctx"), c.get("workspaceId"), { ...paging, limit }), 200);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports",
    tags,
    summary: "Define a report",
    description:
      "Every name in it is checked now: what is stored can be made. With an Idempotency-Key the request may be repeated.",
    middleware: [write, limitBody(256 * 1024)] as const,
    request: { query, body },
    responses: { 201: jsonContent("The report.", one), ...problemResponses(...refused) },
  }),
  async (c) => {
    const [ctx, workspaceId, input] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("json")];
    const definition = await definitionOf(ctx, workspaceId, input);
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const saved = { name: input.name, description: input.description ?? null, definition };
    const data = shown(
      await createReport(ctx, workspaceId, made(0).id, authorOf(ctx.actor), saved),
    );
    return c.json({ data }, 201, { location: `/api/v1/reports/${data.id}` });
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/reports/{id}",
    tags,
    summary: "One report",
    middleware: [read] as const,
    request: { query, params },
    responses: {
      200: jsonContent("The report.", one),
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) =>
    c.json(
      { data: shown(await getReport(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id)) },
      200,
    ),
);

router.openapi(
  createRoute({
    method: "put",
    path: "/reports/{id}",
    tags,
    summary: "Replace a report",
    description:
      "Runs that were made keep the definition of their time. A recipient whose URL is masked, as answers show it, keeps the URL that is stored.",
    middleware: [write, limitBody(256 * 1024)] as const,
    request: { query, params, body },
    responses: { 200: jsonContent("The report.", one), ...problemResponses(...refused) },
  }),
  async (c) => {
    const [ctx, workspaceId, input] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("json")];
    const { id } = c.req.valid("param");
    const stored = (await getReport(ctx, workspaceId, id)).definition;
    const definition = await definitionOf(ctx, workspaceId, input, stored);
    const saved = { name: input.name, description: input.description ?? null, definition };
    return c.json({ data: shown(await replaceReport(ctx, workspaceId, id, saved)) }, 200);
  },
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/reports/{id}",
    tags,
    summary: "Delete a report",
    description: "Its runs stay until they expire.",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      204: { description: "It is gone." },
      ...problemResponses("malformed", "not_found"),
    },
  }),
  async (c) => {
    await deleteReport(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return c.body(null, 204);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/reports/{id}/run",
    tags,
    summary: "Make a report",
    description:
      "One snapshot for all of its figures (as_of). Ask the Location until the status is done.",
    middleware: [write] as const,
    request: { query, params },
    responses: {
      202: jsonContent("The queued run.", z.object({ data: schema.reportRun })),
      ...problemResponses("malformed", "not_found", "unprocessable", "rate_limited"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const report = await getReport(ctx, workspaceId, c.req.valid("param").id);
    const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const data = await startReport(ctx, workspaceId, made(0).id, report, {
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
    middleware: [read] as const,
    request: { query: schema.listParams, params },
    responses: {
      200: jsonContent("A page.", z.object({ data: z.array(schema.reportRun), page: pageShape })),
      ...problemResponses("malformed", "unprocessable", "not_found"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { id }] = [c.get("ctx"), c.get("workspaceId"), c.req.valid("param")];
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    await getReport(ctx, workspaceId, id);
    return c.json(await listRuns(ctx, workspaceId, id, { ...paging, limit }), 200);
  },
);

export default router;
