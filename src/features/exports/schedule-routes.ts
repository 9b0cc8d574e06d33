import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import { require } from "../../auth/middleware.ts";
import { limitBody } from "../../http/body.ts";
import { problems } from "../../http/errors.ts";
import { idMaker } from "../../http/intake.ts";
import { DEFAULT_LIMIT, page, pageParams, workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { json } from "../../http/view.ts";
import { createSchedule, deleteSchedule, listSchedules, replaceSchedule } from "./schedules.ts";
import * as schema from "./schema.ts";

const tags = ["Exports"];
const router = createRouter();
const query = z.strictObject(workspaceParam);
const params = schema.exportParam;
const one = z.object({ data: schema.schedule });
const body = { required: true, content: { "application/json": { schema: schema.scheduleInput } } };
const refused = ["malformed", "too_large", "unsupported", "impossible", "not_found"] as const;
const [read, write] = [require("read:exports"), require("write:exports")];

router.openapi(
  createRoute({
    method: "get",
    path: "/exports/schedules",
    tags,
    summary: "Schedules of exports, newest first",
    middleware: [read] as const,
    request: { query: z.strictObject({ ...workspaceParam, ...pageParams }) },
    responses: { 200: json("A page.", z.object({ data: z.array(schema.schedule), page })), ...problems("malformed", "impossible") },
  }),
  async (c) => {
    const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
    return c.json(await listSchedules(c.get("ctx"), c.get("workspaceId"), { ...paging, limit }), 200);
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/exports/schedules",
    tags,
    summary: "Run a template again and again",
    description:
      "At a local time: one that a clock change leaves out is as much later as the change is long, one that comes twice is the first. Each run is done once, with the range of its own time; runs that were missed together are done once.",
    middleware: [write, limitBody(16 * 1024)] as const,
    request: { query, body },
    responses: { 201: json("The schedule.", one), ...problems(...refused) },
  }),
  async (c) => {
    const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
    const made = await idMaker(c.req.raw, workspaceId, ctx.now());
    return c.json({ data: await createSchedule(ctx, workspaceId, made(0).id, authorOf(ctx.actor), c.req.valid("json")) }, 201);
  },
);

router.openapi(
  createRoute({
    method: "put",
    path: "/exports/schedules/{id}",
    tags,
    summary: "Replace a schedule",
    middleware: [write, limitBody(16 * 1024)] as const,
    request: { query, params, body },
    responses: { 200: json("The schedule.", one), ...problems(...refused) },
  }),
  async (c) =>
    c.json({ data: await replaceSchedule(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id, c.req.valid("json")) }, 200),
);

router.openapi(
  createRoute({
    method: "delete",
    path: "/exports/schedules/{id}",
    tags,
    summary: "Delete a schedule",
    middleware: [write] as const,
    request: { query, params },
    responses: { 204: { description: "It is gone." }, ...problems("malformed", "not_found") },
  }),
  async (c) => {
    await deleteSchedule(c.get("ctx"), c.get("workspaceId"), c.req.valid("param").id);
    return c.body(null, 204);
  },
);

export default router;
