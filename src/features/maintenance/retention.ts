import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";

const BATCH = 2_000;
const MAX_INVOCATION_MS = 20_000;
const row = z.object({ workspace_id: z.string(), deleted: z.number() });

/**
 * Deletes what is older than a workspace's own retention_days (whole UTC days): executions with their keys, and events. Marks are
 * written in the same statement, so the rollups of those days become empty by their next run. Bounded: what is left waits for the next night.
 * @returns how many rows were deleted
 */
export async function applyRetention(ctx: Context): Promise<number> {
  const started = ctx.now();
  const before = (column: string) =>
    sql`${sql.raw(column)} < date_trunc('day', now(), 'UTC') - make_interval(days => w.retention_days)`;
  const executions = sql`with old as (
      select e.workspace_id, e.started_at, e.id from workspaces w join executions e on e.workspace_id = w.id and ${before("e.started_at")}
      where w.retention_days is not null limit ${BATCH}
    ), gone as (
      delete from executions e using old o where e.workspace_id = o.workspace_id and e.started_at = o.started_at and e.id = o.id
      returning e.workspace_id, e.started_at, e.id
    ), keys as (
      delete from execution_keys k using gone g where k.workspace_id = g.workspace_id and k.id = g.id and k.started_at = g.started_at
    ), marks as (
      insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from gone
    )
    select workspace_id, count(*) as deleted from gone group by workspace_id`;
  const events = sql`with gone as (
      delete from events v using workspaces w where v.workspace_id = w.id and w.retention_days is not null and ${before("v.occurred_at")}
        and (v.workspace_id, v.id) in (select x.workspace_id, x.id from workspaces w join events x on x.workspace_id = w.id and ${before("x.occurred_at")} where w.retention_days is not null limit ${BATCH})
      returning v.workspace_id, v.occurred_at
    ), marks as (
      insert into rollup_marks (unit, workspace_id, bucket) select distinct 'session', workspace_id, date_trunc('day', occurred_at, 'UTC') from gone
    ) select workspace_id, count(*) as deleted from gone group by workspace_id`;
  let deleted = 0;
  for (const statement of [executions, events]) {
    for (;;) {
      const rows = await ctx.db.query({ sql: statement, row });
      const count = rows.reduce((sum, each) => sum + each.deleted, 0);
      deleted += count;
      for (const each of rows) ctx.cache.advance(each.workspace_id);
      if (count < BATCH || ctx.now() - started > MAX_INVOCATION_MS) break;
    }
  }
  ctx.log.info("retention", { deleted });
  return deleted;
}
