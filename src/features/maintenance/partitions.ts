import { sql } from "drizzle-orm";
import { Temporal } from "temporal-polyfill";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { ROLLUP_TABLES } from "../../db/rollup-tables.ts";

const MONTHS_AHEAD = 3;
const nothing = z.unknown();

/** Makes the partitions of this month and the next ones. */
export async function ensurePartitions(ctx: Context): Promise<void> {
  await ctx.db.query({
    sql: sql`select ensure_execution_partition(now() + make_interval(months => n))::text from generate_series(0, ${MONTHS_AHEAD}) n`,
    row: nothing,
  });
}

/**
 * Drops the months that are wholly older than RETENTION_MONTHS (0: keeps everything), with all that was made from them:
 * a number that could no longer be recomputed must not stay. One transaction a month.
 * @returns the names of the dropped partitions
 */
export async function dropExpired(ctx: Context): Promise<string[]> {
  const months = ctx.config.RETENTION_MONTHS;
  if (months === 0) return [];
  const today = Temporal.Instant.fromEpochMilliseconds(ctx.now())
    .toZonedDateTimeISO("UTC")
    .toPlainDate();
  const keepFrom = today.with({ day: 1 }).subtract({ months });
  const partitions = await ctx.db.query({
    sql: sql`select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'executions'::regclass order by 1`,
    row: z.object({ name: z.string() }),
  });
  const expired = partitions.flatMap(({ name }) => {
    const [, year, month] = /^executions_(\d{4})_(\d\d)$/.exec(name) ?? [];
    const first =
      year && month
        ? Temporal.PlainDate.from({ year: Number(year), month: Number(month), day: 1 })
        : undefined;
    return first && Temporal.PlainDate.compare(first, keepFrom) < 0 ? [{ name, first }] : [];
  });
  for (const { name, first } of expired) {
    const from = sql`${`${first.toString()}T00:00:00Z`}::timestamptz`;
    const to = sql`${`${first.add({ months: 1 }).toString()}T00:00:00Z`}::timestamptz`;
    const tables = [...Object.values(ROLLUP_TABLES).flat(), "rollup_marks"];
    await ctx.db.transaction(
      [
        sql`drop table ${sql.identifier(name)}`,
        sql`delete from execution_keys where started_at >= ${from} and started_at < ${to}`,
        ...tables.map(
          (table) =>
            sql`delete from ${sql.identifier(table)} where bucket >= ${from} and bucket < ${to}`,
        ),
      ].map((statement) => ({ sql: statement, row: nothing })),
      { isolation: "ReadCommitted" },
    );
    // Events stay, and so do the sessions that they alone make; until these are rolled up they are read from the events.
    await ctx.db.query({
      sql: sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'session', workspace_id, date_trunc('day', occurred_at, 'UTC')
        from events where occurred_at >= ${from} and occurred_at < ${to}`,
      row: nothing,
    });
    ctx.log.info("retention", { dropped: name });
  }
  return expired.map(({ name }) => name);
}
