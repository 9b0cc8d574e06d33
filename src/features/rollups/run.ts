import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { RollupUnit } from "../../analytics/rollups/definition.ts";
import { ROLLUP_TABLES } from "../../analytics/rollups/definition.ts";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { RollupBucket } from "../../analytics/rollups/raw-parts.ts";
import { replaceRollups, rollupDifferences } from "../../analytics/rollups/recompute.ts";
import type { Context } from "../../context.ts";
import { enqueue } from "../../messages.ts";

/** Buckets of one transaction, so that it ends in seconds on a large workspace. */
const SLICE: Record<RollupUnit, number> = { hour: 200, day: 20, session: 50 };
/** What one invocation may do; the rest continues through the queue. */
const MAX_INVOCATION_MS = 20_000;
const SAMPLE = 50;
/** Pages that are read for a bucket of a sample: more than one, because buckets that lie together share a page. */
const PAGES_OF_ONE = 2;

const bucketRow = z.object({ workspace_id: z.string(), bucket: z.string() });
const nothing = z.unknown();

/** Replaces the rollups of these buckets, in one transaction that is safe to run twice and beside another. */
export async function recomputeRollups(
  ctx: Context,
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
): Promise<void> {
  const statements = replaceRollups(unit, buckets).map((statement) => ({
    sql: statement,
    row: nothing,
  }));
  await ctx.db.transaction(statements, { isolation: "RepeatableRead" });
}

async function lastMark(ctx: Context): Promise<number> {
  const row = await ctx.db.maybe({
    sql: sql`select last_value as id from rollup_marks_id_seq`,
    row: z.object({ id: z.number() }),
  });
  return row?.id ?? 0;
}

/** Buckets of a unit that wait: those with a mark up to `last`; and days that were rolled up before their quarters were kept. */
function waiting(unit: RollupUnit, last: number): SQL {
  const marked = sql`(select distinct workspace_id, bucket from rollup_marks where unit = ${unit} and id <= ${last} order by workspace_id, bucket limit ${SLICE[unit]})`;
  if (unit !== "day") return marked;
  return sql`(${marked} union (select distinct workspace_id, bucket from execution_metrics_daily d where grain = 'total' and not exists (
    select from execution_quarters_daily q where q.workspace_id = d.workspace_id and q.grain = 'total' and q.bucket = d.bucket) limit ${SLICE[unit]})) limit ${SLICE[unit]}`;
}

/** Whether the runs of a unit are switched on. */
export const areRollupsOn = ({ config }: Context, unit: RollupUnit) =>
  unit === "day" ? config.DAILY_ROLLUP_ENABLED : config.HOURLY_ROLLUP_ENABLED;

/**
 * Recomputes every bucket of a unit that waits, slice by slice; hands over to the queue when its time is up.
 * @param upTo the last mark of this run: marks that arrive meanwhile are the next run's, so that it ends
 * @returns how many buckets were recomputed
 */
export async function runRollups(ctx: Context, unit: RollupUnit, upTo?: number): Promise<number> {
  const started = ctx.now();
  const last = upTo ?? (await lastMark(ctx));
  let done = 0;
  for (;;) {
    const rows = await ctx.db.all({ sql: waiting(unit, last), row: bucketRow });
    if (rows.length === 0) break;
    const buckets = rows.map((row) => ({ workspaceId: row.workspace_id, bucket: row.bucket }));
    await recomputeRollups(ctx, unit, buckets);
    done += rows.length;
    for (const workspaceId of new Set(buckets.map((bucket) => bucket.workspaceId)))
      ctx.cache.invalidate(workspaceId);
    if (ctx.now() - started > MAX_INVOCATION_MS) {
      await enqueue(ctx, { type: "rollup.run", unit, upTo: last });
      break;
    }
  }
  ctx.log.info("rollups", { unit, buckets: done, ms: ctx.now() - started });
  return done;
}

/** Drops every rollup row and marks every hour that has executions and every day that has events; the runs that follow give the same rows again. */
export async function rebuildRollups(ctx: Context): Promise<void> {
  const statements = [
    ...Object.values(ROLLUP_TABLES)
      .flat()
      .map((table) => sql`delete from ${sql.identifier(table)}`),
    // An hour's run marks its day, and the sessions of that.
    insertMarks("hour", "started_at", sql`executions`),
    insertMarks("session", "occurred_at", sql`events`),
  ];
  await ctx.db.transaction(
    statements.map((statement) => ({ sql: statement, row: nothing })),
    { isolation: "RepeatableRead" },
  );
}

/** Where buckets are sampled from: rollups, to find rows too many, and what was sent, to find rows missing. */
const SAMPLED: Record<RollupUnit, [table: string, bucket: string][]> = {
  hour: [
    ["execution_metrics_hourly", "bucket"],
    ["execution_keys", "date_trunc('hour', started_at, 'UTC')"],
  ],
  day: [
    ["execution_metrics_daily", "bucket"],
    ["execution_keys", "date_trunc('day', started_at, 'UTC')"],
  ],
  session: [
    ["sessions_daily", "bucket"],
    ["execution_keys", "date_trunc('day', started_at, 'UTC')"],
    ["events", "date_trunc('day', occurred_at, 'UTC')"],
  ],
};

/**
 * Buckets of rows that are drawn at random: of about as many pages of the table as buckets are wanted, any page as likely as
 * another, so that it costs the same whatever the size of the table.
 */
function drawn(table: string, bucket: string, sample: number): SQL {
  const share = sql`least(100, 100.0 * ${sample}::int * ${PAGES_OF_ONE}::int * current_setting('block_size')::int / greatest(1, pg_relation_size(${table}::regclass)))`;
  return sql`select workspace_id, bucket from (
      select distinct workspace_id, ${sql.raw(bucket)} as bucket from ${sql.identifier(table)} tablesample system (${share})
    ) rows order by random() limit ${sample}`;
}

/**
 * Recomputes a sample of buckets and keeps what differs (rollup_differences); the number must be zero.
 */
export async function reconcileRollups(ctx: Context, sample = SAMPLE): Promise<number> {
  let found = 0;
  for (const unit of ["hour", "day", "session"] as const) {
    const parts = SAMPLED[unit].map(([table, bucket]) => sql`(${drawn(table, bucket, sample)})`);
    const rows = await ctx.db.all({ sql: sql.join(parts, sql` union `), row: bucketRow });
    if (rows.length === 0) continue;
    const buckets = rows.map((row) => ({ workspaceId: row.workspace_id, bucket: row.bucket }));
    const kept = await ctx.db.all({
      sql: sql`insert into rollup_differences (found_at, unit, workspace_id, bucket, detail)
        select now(), ${unit}, workspace_id, bucket, detail from (${rollupDifferences(unit, buckets)}) d returning id`,
      row: z.object({ id: z.number() }),
    });
    found += kept.length;
  }
  if (found > 0)
    ctx.log.error("reconcile", new Error("Rollups differ from raw rows"), { buckets: found });
  else ctx.log.info("reconcile", { differences: 0 });
  return found;
}
