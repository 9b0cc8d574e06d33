import { sql } from "drizzle-orm";
import { z } from "zod";
import { instantSql } from "../db/instants.ts";
import { inWorkspace } from "../db/scope.ts";
import { AppError } from "../lib/errors.ts";
import { type EpochUs, parseInstant } from "../lib/time.ts";
import { dueRun } from "./recurrence.ts";
import { COLUMNS, type Schedule, type ScheduleTable, scheduleRow } from "./schedules.ts";

/** Started by one call at most; the next one goes on. */
const MAX_DUE = 500;

export interface DueRun extends Schedule {
  workspace_id: string;
  /** The moment that the run is for: its range is that of this moment, however late it is started. */
  due: EpochUs;
}

/**
 * Starts what is due: each run once, also when this is called twice, late, or dies in its middle, and missed ones together once.
 * @param start starts a run under an id that follows from its schedule and its time; the same id again must start nothing new.
 * Only then does the schedule move on
 * @param failed told of a schedule whose run could not be started; it is tried again the next time, unless what it runs is gone
 */
export async function startDue(
  { db, kind }: ScheduleTable,
  now: EpochUs,
  start: (run: DueRun, id: string) => Promise<unknown>,
  failed: (error: unknown, schedule: string) => void,
): Promise<number> {
  const due = await db.all({
    // Workspaces take turns: many due schedules of one do not put off those of another.
    sql: sql`select e.* from (select e.workspace_id, ${COLUMNS},
          row_number() over (partition by e.workspace_id order by e.next_run_at, e.id) as turn
        from schedules e where e.kind = ${kind} and e.enabled and e.next_run_at <= ${instantSql(now)}) e
      order by e.turn, e.next_run_at, e.workspace_id limit ${MAX_DUE}::int`,
    row: scheduleRow.extend({ workspace_id: z.string() }),
  });
  for (const schedule of due) {
    const { workspace_id, id, recurrence: of, timezone, next_run_at } = schedule;
    try {
      const run = dueRun(of, timezone, parseInstant(next_run_at) ?? 0, now);
      if (!run) continue;
      await start({ ...schedule, due: run.due }, `${id}-${run.due / 1000}`);
      const next =
        run.next === undefined ? sql`e.next_run_at, enabled = false` : instantSql(run.next);
      await db.run(sql`update schedules e set last_run_at = ${instantSql(run.due)}, next_run_at = ${next}
          where ${inWorkspace(workspace_id, "e")} and e.kind = ${kind} and e.id = ${id} and e.next_run_at = ${next_run_at}::timestamptz`);
    } catch (error) {
      failed(error, id);
      // What it runs is gone, or cannot be asked: it would fail again every time.
      if (
        error instanceof AppError &&
        (error.kind === "not_found" || error.kind === "unprocessable")
      )
        await db.run(sql`update schedules e set enabled = false, paused = jsonb_build_object('code', ${error.code}::text, 'message', ${error.message}::text, 'at', now())
            where ${inWorkspace(workspace_id, "e")} and e.kind = ${kind} and e.id = ${id}`);
    }
  }
  return due.length;
}
