import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";

const BATCH = 1000;

/**
 * Closes runs that have been silent for longer than their workspace's limit: `timeout`, marked stale. Nothing is settled by
 * that, so a real end that arrives later replaces it. Marks are written in the same statement.
 * @returns how many were closed
 */
export async function closeStale(ctx: Context): Promise<number> {
  let closed = 0;
  for (;;) {
    const rows = await ctx.db.query({
      sql: sql`with silent as (
        select e.workspace_id, e.started_at, e.id from executions e left join workspaces w on w.id = e.workspace_id
        where e.status = 'running' and e.heard_at < now() - make_interval(mins => coalesce(w.stale_after_minutes, ${ctx.config.STALE_AFTER_MINUTES}))
        limit ${BATCH}
      ), closed as (
        update executions e set status = 'timeout', stale = true from silent s
        where e.workspace_id = s.workspace_id and e.started_at = s.started_at and e.id = s.id and e.status = 'running'
          and e.heard_at < now() - make_interval(mins => coalesce((select w.stale_after_minutes from workspaces w where w.id = e.workspace_id), ${ctx.config.STALE_AFTER_MINUTES}))
        returning e.workspace_id, e.started_at
      ), marks as (
        insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from closed
      )
      select workspace_id, count(*) as closed from closed group by workspace_id`,
      row: z.object({ workspace_id: z.string(), closed: z.number() }),
    });
    for (const row of rows) {
      closed += row.closed;
      ctx.cache.advance(row.workspace_id);
    }
    if (rows.reduce((sum, row) => sum + row.closed, 0) < BATCH) break;
  }
  ctx.log.info("stale", { closed });
  return closed;
}
