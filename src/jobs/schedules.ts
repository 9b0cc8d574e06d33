import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { insertWithin, type Quotas } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";
import { notFound, unprocessable } from "../lib/errors.ts";
import { type EpochUs, formatInstant } from "../lib/time.ts";
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

export const COLUMNS = sql.raw(
  "e.id, e.name, e.target_id, e.recurrence, e.timezone, e.enabled, e.next_run_at, e.last_run_at, e.failures, e.paused, e.created_at, e.created_by",
);
export const scheduleRow = z.object({
  id: z.string(),
  name: z.string(),
  target_id: z.string(),
  recurrence: recurrenceShape,
  timezone: z.string(),
  enabled: z.boolean(),
  next_run_at: z.string(),
  last_run_at: z.string().nullable(),
  /** Runs in a row that failed by their nature. */
  failures: z.number(),
  /** Why it was paused, when nobody asked for that. */
  paused: z.object({ code: z.string(), message: z.string(), at: z.string() }).nullable(),
  created_at: z.string(),
  created_by: z.string(),
});
export type Schedule = z.output<typeof scheduleRow>;
export type ScheduleInput = Pick<Schedule, "name" | "target_id" | "recurrence"> & {
  timezone: string;
  enabled?: boolean | undefined;
};

/** @throws AppError unprocessable for a zone that is none, and for a schedule that never fires */
function firstRun(of: Recurrence, timezone: string, now: EpochUs): string {
  if (!isTimeZone(timezone))
    throw unprocessable(
      "timezone",
      "unknown_timezone",
      `"${timezone}" is not a time zone of the IANA database.`,
    );
  const next = nextRun(of, timezone, now);
  if (next === undefined)
    throw unprocessable("recurrence", "never_fires", "This schedule never fires.");
  return formatInstant(next);
}

/** What is run by the schedules of a kind. */
const TARGETS = {
  export: { table: "export_templates", noun: "template" },
  report: { table: "reports", noun: "report" },
} as const;

/** @throws AppError not_found for an id of nothing that this kind of schedule runs */
export async function checkTarget(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
): Promise<void> {
  const { table, noun } = TARGETS[kind];
  const found = await db.all({
    sql: sql`select from ${sql.identifier(table)} e
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: z.unknown(),
  });
  if (found.length === 0) throw notFound(noun);
}

/** Newest first, ties by id. */
export function listSchedules({ db, kind }: ScheduleTable, workspaceId: string, query: PageQuery) {
  const where = [inWorkspace(workspaceId, "e"), sql`e.kind = ${kind}`];
  return listByTime(
    db,
    {
      from: sql`schedules e`,
      columns: COLUMNS,
      row: scheduleRow,
      where,
      time: "created_at",
      timeOf: (each) => each.created_at,
    },
    query,
  );
}

/**
 * The same id again (a request that was repeated) gives what is stored.
 * @throws AppError unprocessable, `quota_exceeded` among them
 */
export async function createSchedule(
  { db, kind }: ScheduleTable,
  quotas: Quotas,
  { workspaceId, id, author }: { workspaceId: string; id: string; author: string },
  input: ScheduleInput,
  now: EpochUs,
): Promise<Schedule> {
  const { name, target_id, recurrence: of, timezone, enabled = true } = input;
  const first = firstRun(of, timezone, now);
  return insertWithin(
    db,
    { quotas, workspaceId, id },
    {
      table: "schedules",
      which: sql`e.kind = ${kind}`,
      name: `${kind}_schedules`,
      insert: (allowed) => sql`insert into schedules as e (workspace_id, kind, id, name, target_id,
          recurrence, timezone, enabled, next_run_at, created_at, created_by)
        select ${workspaceId}, ${kind}, ${id}, ${name}, ${target_id}, ${JSON.stringify(of)}::jsonb,
          ${timezone}, ${enabled}, ${first}::timestamptz, now(), ${author} where ${allowed}
        on conflict (workspace_id, kind, id) do update set id = excluded.id returning ${COLUMNS}`,
      row: scheduleRow,
    },
  );
}

/** Puts another schedule in its place; it runs next when the new one says, also if it was paused. @throws AppError not_found, unprocessable */
export async function replaceSchedule(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
  input: ScheduleInput,
  now: EpochUs,
): Promise<Schedule> {
  const { name, target_id, recurrence: of, timezone, enabled = true } = input;
  const found = await db.maybe({
    sql: sql`update schedules e set name = ${name}, target_id = ${target_id}, recurrence = ${JSON.stringify(of)}::jsonb, timezone = ${timezone}, enabled = ${enabled},
        next_run_at = ${firstRun(of, timezone, now)}::timestamptz, failures = 0, paused = null where ${inWorkspace(workspaceId, "e")} and e.kind = ${kind} and e.id = ${id} returning ${COLUMNS}`,
    row: scheduleRow,
  });
  if (!found) throw notFound("schedule");
  return found;
}

/** @throws AppError not_found */
export async function deleteSchedule(
  { db, kind }: ScheduleTable,
  workspaceId: string,
  id: string,
): Promise<void> {
  const rows = await db.all({
    sql: sql`delete from schedules e where ${inWorkspace(workspaceId, "e")} and e.kind = ${kind} and e.id = ${id} returning e.id`,
    row: z.unknown(),
  });
  if (rows.length === 0) throw notFound("schedule");
}
