import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { instantSql } from "../db/instants.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { insertWithin, type Quotas } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";
import { notFound, unprocessable } from "../lib/errors.ts";
import type { EpochUs } from "../lib/time.ts";
import { isTimeZone } from "../lib/zone-offsets.ts";
import { nextRun, type Recurrence } from "./recurrence.ts";

export interface ScheduleTable {
  db: Db;
  kind: "export" | "report";
}

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be HH:MM");
export const recurrenceShape = z.union([
  z.strictObject({ frequency: z.literal("daily"), time }),
  z.strictObject({ frequency: z.literal("weekly"), time, day_of_week: z.int().min(1).max(7) }),
  z.strictObject({
    frequency: z.enum(["monthly", "quarterly"]),
    time,
    day_of_month: z.int().min(1).max(31),
  }),
  z.strictObject({ cron: z.string().min(9).max(128) }),
]);

export const SCHEDULE_COLUMNS = sql.raw(`
  e.id,
  e.name,
  e.target_id,
  e.recurrence,
  e.timezone,
  e.enabled,
  e.next_run_at,
  e.last_run_at,
  e.failures,
  e.paused,
  e.created_at,
  e.created_by`);
export const scheduleRow = z.object({
  id: z.string(),
  name: z.string(),
  target_id: z.string(),
  recurrence: recurrenceShape,
  timezone: z.string(),
  enabled: z.boolean(),
  next_run_at: z.string(),
  last_run_at: z.string().nullable(),
  /** Permanent failures in a row. */
  failures: z.number(),
  /** The failure that paused the schedule. */
  paused: z.object({ code: z.string(), message: z.string(), at: z.string() }).nullable(),
  created_at: z.string(),
  created_by: z.string(),
});
export type Schedule = z.output<typeof scheduleRow>;
export type ScheduleInput = Pick<Schedule, "name" | "target_id" | "recurrence"> & {
  timezone: string;
  enabled?: boolean | undefined;
};

/** @throws AppError unprocessable for an unknown time zone, or a schedule that never fires */
function firstRun(recurrence: Recurrence, timezone: string, nowUs: EpochUs): EpochUs {
  if (!isTimeZone(timezone))
    throw unprocessable(
      "timezone",
      "unknown_timezone",
      `"${timezone}" is not a time zone of the IANA database.`,
    );
  const next = nextRun(recurrence, timezone, nowUs);
  if (next === undefined)
    throw unprocessable("recurrence", "never_fires", "This schedule never fires.");
  return next;
}

/** Tables of what schedules start. */
const TARGETS = {
  export: { table: "export_templates", noun: "template" },
  report: { table: "reports", noun: "report" },
} as const;

export const isSchedule = (kind: ScheduleTable["kind"], workspaceId: string, id: string) => sql`
  ${inWorkspace(workspaceId, "e")}
  and e.kind = ${kind}
  and e.id = ${id}`;

/** @throws AppError not_found if the template or report does not exist */
export async function checkTarget(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
): Promise<void> {
  const { table, noun } = TARGETS[kind];
  const found = await db.all({
    sql: sql`
      select
      from ${sql.identifier(table)} e
      where ${inWorkspace(workspaceId, "e")}
        and e.id = ${id}`,
    row: z.unknown(),
  });
  if (found.length === 0) throw notFound(noun);
}

/** Newest first, ties by id. */
export function listSchedules({ db, kind }: ScheduleTable, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`schedules e`,
    columns: SCHEDULE_COLUMNS,
    row: scheduleRow,
    where: [inWorkspace(workspaceId, "e"), sql`e.kind = ${kind}`],
    time: "created_at",
    timeOf: (schedule: Schedule) => schedule.created_at,
  };
  return listByTime(db, list, query);
}

/**
 * Creates a schedule. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError unprocessable, with `quota_exceeded` among its codes
 */
export async function createSchedule(
  { db, kind }: ScheduleTable,
  quotas: Quotas,
  { workspaceId, id, author }: { workspaceId: string; id: string; author: string },
  input: ScheduleInput,
  nowUs: EpochUs,
): Promise<Schedule> {
  const { name, target_id, recurrence, timezone, enabled = true } = input;
  const first = firstRun(recurrence, timezone, nowUs);
  const owner = { quotas, workspaceId, id };
  return insertWithin(db, owner, {
    table: "schedules",
    which: sql`e.kind = ${kind}`,
    name: `${kind}_schedules`,
    insert: (allowed) => sql`
      insert into schedules as e (
        workspace_id, kind, id, name, target_id, recurrence, timezone, enabled,
        next_run_at, created_at, created_by
      )
      select
        ${workspaceId},
        ${kind},
        ${id},
        ${name},
        ${target_id},
        ${JSON.stringify(recurrence)}::jsonb,
        ${timezone},
        ${enabled},
        ${instantSql(first)},
        now(),
        ${author}
      where ${allowed}
      on conflict (workspace_id, kind, id) do update
        set id = excluded.id
      returning ${SCHEDULE_COLUMNS}`,
    row: scheduleRow,
  });
}

/**
 * Replaces a schedule. Its next run is the first of the new recurrence, and a pause ends.
 * @throws AppError not_found, unprocessable
 */
export async function replaceSchedule(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
  input: ScheduleInput,
  nowUs: EpochUs,
): Promise<Schedule> {
  const { name, target_id, recurrence, timezone, enabled = true } = input;
  const first = firstRun(recurrence, timezone, nowUs);
  const replaced = await db.maybe({
    sql: sql`
      update schedules e
      set name = ${name},
        target_id = ${target_id},
        recurrence = ${JSON.stringify(recurrence)}::jsonb,
        timezone = ${timezone},
        enabled = ${enabled},
        next_run_at = ${instantSql(first)},
        failures = 0,
        paused = null
      where ${isSchedule(kind, workspaceId, id)}
      returning ${SCHEDULE_COLUMNS}`,
    row: scheduleRow,
  });
  if (!replaced) throw notFound("schedule");
  return replaced;
}

/** @throws AppError not_found */
export async function deleteSchedule(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
): Promise<void> {
  const deleted = await db.maybe({
    sql: sql`
      delete from schedules e
      where ${isSchedule(kind, workspaceId, id)}
      returning e.id`,
    row: z.unknown(),
  });
  if (deleted === undefined) throw notFound("schedule");
}
