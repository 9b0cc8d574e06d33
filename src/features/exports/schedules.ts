import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { listByTime, type Paging } from "../../db/keyset.ts";
import { inWorkspace } from "../../db/scope.ts";
import { impossible, notFound } from "../../lib/errors.ts";
import { dueRun, nextRun, type Recurrence } from "../../lib/recurrence.ts";
import { type EpochUs, formatInstant, isTimeZone, parseInstant } from "../../lib/time.ts";
import { schedule, type scheduleInput } from "./schema.ts";
import { startExport } from "./start.ts";
import { getTemplate } from "./templates.ts";

export type Schedule = z.output<typeof schedule>;
type Input = z.output<typeof scheduleInput>;
const COLUMNS = sql.raw(
  "e.id, e.name, e.template_id, e.recurrence, e.timezone, e.enabled, e.next_run_at, e.last_run_at, e.created_at, e.created_by",
);

/** @throws AppError impossible for a zone that is none, and for a schedule that never fires */
function firstRun(recurrence: Recurrence, timezone: string, nowMs: number): string {
  if (!isTimeZone(timezone)) throw impossible("timezone", "unknown_timezone", `"${timezone}" is not a time zone of the IANA database.`);
  const next = nextRun(recurrence, timezone, nowMs * 1000);
  if (next === undefined) throw impossible("recurrence", "never_fires", "This schedule never fires.");
  return formatInstant(next);
}

/** Newest first, ties by id. */
export function listSchedules(ctx: Context, workspaceId: string, query: Paging) {
  const list = {
    from: sql`export_schedules e`,
    columns: COLUMNS,
    row: schedule,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  return listByTime(ctx.db, { ...list, timeOf: (row) => row.created_at }, query);
}

/** The same id again (a request that was repeated) gives what is stored. @throws AppError not_found for the template, impossible */
export async function createSchedule(ctx: Context, workspaceId: string, id: string, author: string, input: Input): Promise<Schedule> {
  const { name, template_id, recurrence, timezone = "UTC", enabled = true } = input;
  const next = firstRun(recurrence, timezone, ctx.now());
  await getTemplate(ctx, workspaceId, template_id);
  const [found] = await ctx.db.query({
    sql: sql`insert into export_schedules as e (workspace_id, id, name, template_id, recurrence, timezone, enabled, next_run_at, created_at, created_by)
      values (${workspaceId}, ${id}, ${name}, ${template_id}, ${JSON.stringify(recurrence)}::jsonb, ${timezone}, ${enabled}, ${next}::timestamptz, now(), ${author})
      on conflict (workspace_id, id) do update set id = excluded.id returning ${COLUMNS}`,
    row: schedule,
  });
  if (!found) throw new Error("The statement gave no row");
  return found;
}

/** Puts another schedule in its place; it runs next when the new one says. @throws AppError not_found, impossible */
export async function replaceSchedule(ctx: Context, workspaceId: string, id: string, input: Input): Promise<Schedule> {
  const { name, template_id, recurrence, timezone = "UTC", enabled = true } = input;
  const next = firstRun(recurrence, timezone, ctx.now());
  await getTemplate(ctx, workspaceId, template_id);
  const [found] = await ctx.db.query({
    sql: sql`update export_schedules e set name = ${name}, template_id = ${template_id}, recurrence = ${JSON.stringify(recurrence)}::jsonb, timezone = ${timezone},
        enabled = ${enabled}, next_run_at = ${next}::timestamptz where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning ${COLUMNS}`,
    row: schedule,
  });
  if (!found) throw notFound("schedule");
  return found;
}

/** @throws AppError not_found */
export async function deleteSchedule(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const rows = await ctx.db.query({
    sql: sql`delete from export_schedules e where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning e.id`,
    row: z.unknown(),
  });
  if (rows.length === 0) throw notFound("schedule");
}

const dueRow = schedule.extend({ workspace_id: z.string() });

async function startRun(ctx: Context, row: z.output<typeof dueRow>, now: EpochUs): Promise<void> {
  const { workspace_id: workspaceId, id, template_id, recurrence, timezone, next_run_at, created_by } = row;
  const run = dueRun(recurrence, timezone, parseInstant(next_run_at) ?? 0, now);
  if (!run) return;
  const { request } = await getTemplate(ctx, workspaceId, template_id);
  const origin = { author: created_by, templateId: template_id, scheduleId: id };
  await startExport({ ...ctx, now: () => run.due / 1000 }, workspaceId, `${id}-${run.due / 1000}`, request, origin);
  const next = run.next === undefined ? sql`e.next_run_at, enabled = false` : sql`${formatInstant(run.next)}::timestamptz`;
  await ctx.db.query({
    sql: sql`update export_schedules e set last_run_at = ${formatInstant(run.due)}::timestamptz, next_run_at = ${next}
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and e.next_run_at = ${next_run_at}::timestamptz`,
    row: z.unknown(),
  });
}

/**
 * Starts what is due: each run once, also when this is called twice, late, or dies in its middle, and missed ones together once.
 * A run's id follows from its schedule and its time; only then does the schedule move on.
 */
export async function startDue(ctx: Context): Promise<number> {
  const now = ctx.now() * 1000;
  const rows = await ctx.db.query({
    sql: sql`select e.workspace_id, ${COLUMNS} from export_schedules e where e.enabled and e.next_run_at <= ${formatInstant(now)}::timestamptz order by e.next_run_at limit 500`,
    row: dueRow,
  });
  for (const row of rows) {
    try {
      await startRun(ctx, row, now);
    } catch (error) {
      // One schedule that cannot run keeps no other from running; it is tried again the next time.
      ctx.log.error("schedule", error, { schedule: row.id });
    }
  }
  return rows.length;
}
