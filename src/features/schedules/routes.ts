import { createRoute, z } from "@hono/zod-openapi";
import { authorOf } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import {
  deleteRoute,
  listRoute,
  pageQuery,
  resourceParam,
  workspaceQuery,
} from "../../http/resource-routes.ts";
import { createRouter, type Router } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import {
  checkTarget,
  createSchedule,
  deleteSchedule,
  listSchedules,
  replaceSchedule,
  type ScheduleInput,
} from "../../jobs/schedules.ts";
import { zoneIn } from "../../store/workspaces.ts";
import { SCHEDULE_KINDS, type ScheduleKind } from "./kinds.ts";
import { scheduleInput, scheduleShape, shownSchedule } from "./schema.ts";

const MAX_BODY_BYTES = 16 * 1024;
const DESCRIPTION = [
  "Runs at a local time, or by a cron expression of five fields.",
  "A local time skipped by a DST change is shifted forward by the length of the change;",
  "a repeated one uses its first occurrence.",
  "A cron time that is skipped runs at the end of the change.",
  "Day 31 of a shorter month is its last day.",
  "Each run starts once, with the range of its scheduled time;",
  "several missed runs start once together.",
  "Three permanent failures in a row pause the schedule, with the reason in `paused`;",
  "replace the schedule to resume it.",
].join(" ");

const inputProblems = problemResponses(
  "malformed",
  "too_large",
  "unsupported_media_type",
  "unprocessable",
  "not_found",
);

const bodyOf = ({ target }: ScheduleKind) => ({
  required: true,
  content: { "application/json": { schema: scheduleInput(target) } },
});

/**
 * The schedule of a body, in its zone or else the workspace's.
 * @throws AppError not_found if its target does not exist, unprocessable for an unknown zone
 */
async function scheduleOf(
  ctx: Context,
  workspaceId: string,
  { kind, target }: ScheduleKind,
  { [target]: id, ...rest }: z.output<ReturnType<typeof scheduleInput>>,
): Promise<ScheduleInput> {
  const targetId = String(id);
  await checkTarget({ db: ctx.db, kind }, workspaceId, targetId);
  const timezone = await zoneIn(ctx, workspaceId, rest.timezone as string | undefined);
  return { ...rest, timezone, target_id: targetId } as ScheduleInput;
}

function addListRoute(router: Router, { kind, path, tag, target, read }: ScheduleKind): void {
  listRoute(router, {
    path,
    tag,
    summary: "Schedules, newest first",
    permission: read,
    query: pageQuery,
    item: scheduleShape(target),
    load: async ({ db }, workspaceId, query) => {
      const { data, page } = await listSchedules({ db, kind }, workspaceId, query);
      return { data: data.map((schedule) => shownSchedule(schedule, target)), page };
    },
  });
}

function addCreateRoute(router: Router, of: ScheduleKind): void {
  const { kind, path, tag, target, write } = of;
  const route = createRoute({
    method: "post",
    path,
    tags: [tag],
    summary: "Create a schedule",
    description: DESCRIPTION,
    middleware: [requirePermission(write), limitBody(MAX_BODY_BYTES)] as const,
    request: { query: workspaceQuery, body: bodyOf(of) },
    responses: {
      201: jsonContent("The schedule.", z.object({ data: scheduleShape(target) })),
      ...inputProblems,
    },
  });
  router.openapi(route, async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const input = await scheduleOf(ctx, workspaceId, of, c.req.valid("json"));
    const generate = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
    const created = await createSchedule(
      { db: ctx.db, kind },
      ctx.config.QUOTAS,
      { workspaceId, id: generate(0).id, author: authorOf(ctx.actor) },
      input,
      ctx.now() * 1000,
    );
    return c.json({ data: shownSchedule(created, target) }, 201);
  });
}

function addReplaceRoute(router: Router, of: ScheduleKind): void {
  const { kind, path, tag, target, write } = of;
  const route = createRoute({
    method: "put",
    path: `${path}/{id}`,
    tags: [tag],
    summary: "Replace a schedule",
    middleware: [requirePermission(write), limitBody(MAX_BODY_BYTES)] as const,
    request: { query: workspaceQuery, params: resourceParam, body: bodyOf(of) },
    responses: {
      200: jsonContent("The schedule.", z.object({ data: scheduleShape(target) })),
      ...inputProblems,
    },
  });
  router.openapi(route, async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { id } = c.req.valid("param");
    const input = await scheduleOf(ctx, workspaceId, of, c.req.valid("json"));
    const nowUs = ctx.now() * 1000;
    const replaced = await replaceSchedule({ db: ctx.db, kind }, workspaceId, id, input, nowUs);
    return c.json({ data: shownSchedule(replaced, target) }, 200);
  });
}

function addDeleteRoute(router: Router, { kind, path, tag, write }: ScheduleKind): void {
  deleteRoute(router, {
    path: `${path}/{id}`,
    tag,
    summary: "Delete a schedule",
    permission: write,
    remove: ({ db }, workspaceId, id) => deleteSchedule({ db, kind }, workspaceId, id),
  });
}

const router = createRouter();
for (const kind of SCHEDULE_KINDS) {
  addListRoute(router, kind);
  addCreateRoute(router, kind);
  addReplaceRoute(router, kind);
  addDeleteRoute(router, kind);
}
export default router;
