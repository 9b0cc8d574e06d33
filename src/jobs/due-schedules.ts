import { sql } from "drizzle-orm";
import { z } from "zod";
import { instantSql } from "../db/instants.ts";
import { AppError } from "../lib/errors.ts";
import { type EpochUs, parseInstant } from "../lib/time.ts";
import { dueRun } from "./recurrence.ts";
import {
  isSchedule,
  SCHEDULE_COLUMNS,
  type Schedule,
  type ScheduleTable,
  scheduleRow,
} from "./schedules.ts";

/** Schedules that one call starts; the next call starts the others. */
const MAX_DUE = 500;

type DueSchedule = Schedule & { workspace_id: string };

export interface DueRun extends DueSchedule {
  /** Scheduled moment of the run: its range is relative to it, however late the run starts. */
  due: EpochUs;
}

function dueSchedules({ db, kind }: ScheduleTable, nowUs: EpochUs): Promise<DueSchedule[]> {
  return db.all({
    // Workspaces take turns: many due schedules of one do not delay those of another.
    sql: sql`
      select e.*
      from (
        select
          e.workspace_id,
          ${SCHEDULE_COLUMNS},
          row_number() over (partition by e.workspace_id order by e.next_run_at, e.id) as turn
        from schedules e
        where e.kind = ${kind}
          and e.enabled
          and e.next_run_at <= ${instantSql(nowUs)}
      ) e
      order by e.turn, e.next_run_at, e.workspace_id
      limit ${MAX_DUE}::int`,
    row: scheduleRow.extend({ workspace_id: z.string() }),
  });
}

/** Plans the next run, unless another call has planned it. A last run disables the schedule. */
async function planNext(
  { db, kind }: ScheduleTable,
  { workspace_id, id, next_run_at }: DueSchedule,
  run: { due: EpochUs; next: EpochUs | undefined },
): Promise<void> {
  const next = run.next === undefined ? sql`e.next_run_at, enabled = false` : instantSql(run.next);
  await db.run(sql`
    update schedules e
    set last_run_at = ${instantSql(run.due)},
      next_run_at = ${next}
    where ${isSchedule(kind, workspace_id, id)}
      and e.next_run_at = ${next_run_at}::timestamptz`);
}

async function pauseSchedule(
  { db, kind }: ScheduleTable,
  { workspace_id, id }: DueSchedule,
  { code, message }: AppError,
): Promise<void> {
  await db.run(sql`
    update schedules e
    set enabled = false,
      paused = jsonb_build_object('code', ${code}::text, 'message', ${message}::text, 'at', now())
    where ${isSchedule(kind, workspace_id, id)}`);
}

/** Whether a run that cannot start would fail again: its target is missing or invalid. */
const isPermanent = (error: unknown): error is AppError =>
  error instanceof AppError && (error.kind === "not_found" || error.kind === "unprocessable");

/**
 * Starts due runs: each once, also when this is called twice, late, or dies halfway. Several missed
 * runs of a schedule start once together.
 * @param start starts a run under an id made of its schedule and its time; the same id again must
 * start nothing new. The schedule moves on after it
 * @param failed receives the error of a run that could not start. It is tried again at the next
 * call, unless the failure is permanent
 * @returns the number of due schedules
 */
export async function startDue(
  table: ScheduleTable,
  nowUs: EpochUs,
  start: (run: DueRun, id: string) => Promise<unknown>,
  failed: (error: unknown, schedule: string) => void,
): Promise<number> {
  const schedules = await dueSchedules(table, nowUs);
  for (const schedule of schedules) {
    const { id, recurrence, timezone, next_run_at } = schedule;
    try {
      const run = dueRun(recurrence, timezone, parseInstant(next_run_at) ?? 0, nowUs);
      if (!run) continue;
      await start({ ...schedule, due: run.due }, `${id}-${run.due / 1000}`);
      await planNext(table, schedule, run);
    } catch (error) {
      failed(error, id);
      if (isPermanent(error)) await pauseSchedule(table, schedule, error);
    }
  }
  return schedules.length;
}
