import { sql } from "drizzle-orm";
import { z } from "zod";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Context } from "../../context.ts";
import { asOneRow, keyInList } from "../../db/scope.ts";

const BATCH = 1000;

/**
 * Closes runs that have been silent for longer than their workspace's limit: `timeout`, marked stale. Nothing is settled by
 * that, so a real end that arrives later replaces it. Marks are written in the same statement.
 * @returns how many were closed
 */
export async function closeStale(ctx: Context): Promise<number> {
  let closed = 0;
  for (;;) {
    const rows = await ctx.db.all({
      sql: sql`with silent as materialized (
        select e.workspace_id, e.started_at, e.id, t.before from executions e left join workspaces w on w.id = e.workspace_id
          cross join lateral (select now() - make_interval(mins => coalesce(w.stale_after_minutes, ${ctx.config.STALE_AFTER_MINUTES})) as before) t
        where e.status = 'running' and e.heard_at < t.before
        limit ${BATCH}
      ), closed as (
        update executions e set status = 'timeout', stale = true from silent s
        where ${keyInList("s", "e")} and e.started_at = s.started_at and e.id = s.id and ${asOneRow("s")}
          and case when e.status = 'running' then e.heard_at < s.before end
        returning e.workspace_id, e.started_at
      ), marks as (${insertMarks("hour", "started_at", sql`closed`)}
      )
      select workspace_id, count(*) as closed from closed group by workspace_id`,
      row: z.object({ workspace_id: z.string(), closed: z.number() }),
    });
    for (const row of rows) {
      closed += row.closed;
      ctx.cache.invalidate(row.workspace_id);
    }
    if (rows.reduce((sum, row) => sum + row.closed, 0) < BATCH) break;
  }
  ctx.log.info("stale", { closed });
  return closed;
}
