import { createRoute, z } from "@hono/zod-openapi";
import { authorOf, type Permission } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { textInput } from "../../http/fields.ts";
import { timezoneParam } from "../../http/metrics-params.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import {
  DEFAULT_LIMIT,
  idParam,
  pageParams,
  pageShape,
  workspaceParam,
} from "../../http/params.ts";
import { createRouter, type Router } from "../../http/router.ts";
import { idGenerator } from "../../intake/generated-id.ts";
import {
  checkTarget,
  createSchedule,
  deleteSchedule,
  listSchedules,
  recurrenceShape,
  replaceSchedule,
  type Schedule,
  type ScheduleTable,
  scheduleRow,
} from "../../jobs/schedules.ts";
import { zoneIn } from "../../store/workspaces.ts";

interface ScheduleKind {
  kind: ScheduleTable["kind"];
  /** Path of the list. */
  path: string;
  tag: string;
  /** The field that names what is run. */
  target: "template_id" | "report_id";
  read: Permission;
  write: Permission;
}

const KINDS: readonly ScheduleKind[] = [
  {
    kind: "export",
    path: "/exports/schedules",
    tag: "Exports",
    target: "template_id",
    read: "read:exports",
    write: "write:exports",
  },
  {
    kind: "report",
    path: "/reports/schedules",
    tag: "Reports",
    target: "report_id",
    read: "read:reports",
    write: "write:reports",
  },
];

const DESCRIPTION =
  "At a local time: one that a clock change leaves out is as much later as the change is long, one that comes twice is the first. Day 31 of a shorter month is its last day. Or a cron expression of five fields, whose time is the end of the change where the change leaves it out. Each run is done once, with the range of its own time; runs that were missed together are done once. Three runs in a row that fail by their nature pause it, with the reason in `paused`; replace it to begin anew.";

/** The routes of the schedules of one kind: they are alike but for what is run. */
function scheduleRoutes({ kind, path, tag, target, read, write }: ScheduleKind): Router {
  const router = createRouter();
  const tags = [tag];
  const query = z.strictObject(workspaceParam);
  const params = z.object({ id: idParam });
  const input = z.strictObject({
    name: textInput(255).min(1),
    [target]: idParam,
    recurrence: recurrenceShape,
    timezone: timezoneParam.optional(),
    enabled: z.boolean().optional(),
  });
  const schedule = z.object({
    ...scheduleRow.omit({ target_id: true }).shape,
    [target]: z.string(),
  });
  const one = z.object({ data: schedule });
  const body = { required: true, content: { "application/json": { schema: input } } };
  const refused = [
    "malformed",
    "too_large",
    "unsupported_media_type",
    "unprocessable",
    "not_found",
  ] as const;
  const of = ({ db }: Context): ScheduleTable => ({ db, kind });
  const shown = ({ target_id, ...rest }: Schedule) =>
    ({ ...rest, [target]: target_id }) as z.output<typeof schedule>;
  const given = async (
    ctx: Context,
    workspaceId: string,
    { [target]: target_id, ...rest }: z.output<typeof input>,
  ) => {
    await checkTarget(of(ctx), workspaceId, String(target_id));
    const timezone = await zoneIn(ctx, workspaceId, rest.timezone as string | undefined);
    return { ...rest, timezone, target_id: String(target_id) } as Parameters<
      typeof createSchedule
    >[3];
  };

  router.openapi(
    createRoute({
      method: "get",
      path,
      tags,
      summary: "Schedules, newest first",
      middleware: [requirePermission(read)] as const,
      request: { query: z.strictObject({ ...workspaceParam, ...pageParams }) },
      responses: {
        200: jsonContent("A page.", z.object({ data: z.array(schedule), page: pageShape })),
        ...problemResponses("malformed", "unprocessable"),
      },
    }),
    async (c) => {
      const { limit = DEFAULT_LIMIT, workspace_id: _, ...paging } = c.req.valid("query");
      const found = await listSchedules(of(c.get("ctx")), c.get("workspaceId"), {
        ...paging,
        limit,
      });
      return c.json({ data: found.data.map(shown), page: found.page }, 200);
    },
  );

  router.openapi(
    createRoute({
      method: "post",
      path,
      tags,
      summary: "Run it again and again",
      description: DESCRIPTION,
      middleware: [requirePermission(write), limitBody(16 * 1024)] as const,
      request: { query, body },
      responses: { 201: jsonContent("The schedule.", one), ...problemResponses(...refused) },
    }),
    async (c) => {
      const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
      const asked = await given(ctx, workspaceId, c.req.valid("json"));
      const made = await idGenerator(c.req.raw, workspaceId, ctx.now(), `${c.req.path}\n`);
      const found = await createSchedule(
        of(ctx),
        ctx.config.QUOTAS,
        { workspaceId, id: made(0).id, author: authorOf(ctx.actor) },
        asked,
        ctx.now() * 1000,
      );
      return c.json({ data: shown(found) }, 201);
    },
  );

  router.openapi(
    createRoute({
      method: "put",
      path: `${path}/{id}`,
      tags,
      summary: "Replace a schedule",
      middleware: [requirePermission(write), limitBody(16 * 1024)] as const,
      request: { query, params, body },
      responses: { 200: jsonContent("The schedule.", one), ...problemResponses(...refused) },
    }),
    async (c) => {
      const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
      const asked = await given(ctx, workspaceId, c.req.valid("json"));
      return c.json(
        {
          data: shown(
            await replaceSchedule(
              of(ctx),
              workspaceId,
              c.req.valid("param").id,
              asked,
              ctx.now() * 1000,
            ),
          ),
        },
        200,
      );
    },
  );

  router.openapi(
    createRoute({
      method: "delete",
      path: `${path}/{id}`,
      tags,
      summary: "Delete a schedule",
      middleware: [requirePermission(write)] as const,
      request: { query, params },
      responses: {
        204: { description: "It is gone." },
        ...problemResponses("malformed", "not_found"),
      },
    }),
    async (c) => {
      await deleteSchedule(of(c.get("ctx")), c.get("workspaceId"), c.req.valid("param").id);
      return c.body(null, 204);
    },
  );
  return router;
}

const router = createRouter();
for (const kind of KINDS) router.route("/", scheduleRoutes(kind));
export default router;
