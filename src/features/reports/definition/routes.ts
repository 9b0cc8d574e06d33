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
import { definitionOf } from "./define.ts";
import {
  createReport,
  deleteReport,
  getReport,
  listReports,
  replaceReport,
  shownReport,
} from "./queries.ts";
import { reportInput, reportShape } from "./schema.ts";

const MAX_BODY_BYTES = 256 * 1024;
const tag = "Reports";
const router = createRouter();
const reportAnswer = z.object({ data: reportShape });
const body = { required: true, content: { "application/json": { schema: reportInput } } };
const inputProblems = problemResponses(
  "malformed",
  "too_large",
  "unsupported_media_type",
  "unprocessable",
  "not_found",
);
const canWrite = requirePermission("write:reports");

listRoute(router, {
  path: "/reports",
  tag,
  summary: "Reports, newest first",
  permission: "read:reports",
  query: pageQuery,
  item: reportShape,
  load: listReports,
});

router.openapi(
  createRoute({
    method: "post",
    path: "/reports",
    tags: [tag],
    summary: "Define a report",
    description: [
      "Every name in the definition is checked, so that a stored report can run.",
      "A request repeated with the same Idempotency-Key creates one report.",
    ].join(" "),
    middleware: [canWrite, limitBody(MAX_BODY_BYTES)] as const,
    request: { query: workspaceQuery, body },
    responses: { 201: jsonContent("The report.", reportAnswer), ...inputProblems },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const input = c.req.valid("json");
    const definition = await definitionOf(ctx, workspaceId, input);
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const saved = { name: input.name, description: input.description ?? null, definition };
    const author = authorOf(ctx.actor);
    const data = shownReport(await createReport(ctx, workspaceId, generate(0).id, author, saved));
    return c.json({ data }, 201, { location: `/api/v1/reports/${data.id}` });
  },
);

readRoute(router, {
  path: "/reports/{id}",
  tag,
  summary: "A report",
  permission: "read:reports",
  item: reportShape,
  answer: "The report.",
  load: async (ctx, workspaceId, id) => shownReport(await getReport(ctx, workspaceId, id)),
});

router.openapi(
  createRoute({
    method: "put",
    path: "/reports/{id}",
    tags: [tag],
    summary: "Replace a report",
    description: [
      "Existing runs keep the definition that they started with.",
      "A recipient whose URL is masked, as answers show it, keeps the stored URL.",
    ].join(" "),
    middleware: [canWrite, limitBody(MAX_BODY_BYTES)] as const,
    request: { query: workspaceQuery, params: resourceParam, body },
    responses: { 200: jsonContent("The report.", reportAnswer), ...inputProblems },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const input = c.req.valid("json");
    const { id } = c.req.valid("param");
    const stored = await getReport(ctx, workspaceId, id);
    const definition = await definitionOf(ctx, workspaceId, input, stored.definition);
    const saved = { name: input.name, description: input.description ?? null, definition };
    const replaced = await replaceReport(ctx, workspaceId, id, saved);
    return c.json({ data: shownReport(replaced) }, 200);
  },
);

deleteRoute(router, {
  path: "/reports/{id}",
  tag,
  summary: "Delete a report",
  description: "Its runs stay until they expire.",
  permission: "write:reports",
  remove: deleteReport,
});

export default router;
