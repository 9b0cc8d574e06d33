import { sql } from "drizzle-orm";
import { Temporal } from "temporal-polyfill";
import { z } from "zod";
import { ROLLUP_TABLES } from "../../analytics/rollups/definition.ts";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Context } from "../../context.ts";
import { deleteOld } from "./delete-old-rows.ts";

const MONTHS_AHEAD = 3;
const nothing = z.unknown();

/** Makes the partitions of this month and the next ones. */
export async function ensurePartitions(ctx: Context): Promise<void> {
  await ctx.db.run(
    sql`select ensure_execution_partition(now() + make_interval(months => n))::text from generate_series(0, ${MONTHS_AHEAD}) n`,
  );
}

/** All that started before 2026: one partition, which stays (migration 0008 says why). */
const OLD = { name: "executions_old", to: Temporal.PlainDate.from("2026-01-01") };
/** Of a month's partition. */
const NAME = /^executions_(\d{4})_(\d\d)$/;

interface Expired {
  name: string;
  from: Temporal.PlainDate | undefined;
  to: Temporal.PlainDate;
}

/** Partitions that hold nothing from `keepFrom` on, and something before. */
async function expiredPartitions(ctx: Context, keepFrom: Temporal.PlainDate): Promise<Expired[]> {
  const partitions = await ctx.db.all({
    sql: sql`select c.relname as name, exists (select from executions_old) as has_old from pg_inherits i
      join pg_class c on c.oid = i.inhrelid where i.inhparent = 'executions'::regclass order by 1`,
    row: z.object({ name: z.string(), has_old: z.boolean() }),
  });
  return partitions
    .flatMap(({ name, has_old }): Expired[] => {
      if (name === OLD.name) return has_old ? [{ ...OLD, from: undefined }] : [];
      const [, year, month] = NAME.exec(name) ?? [];
      if (!year || !month) return [];
      const from = Temporal.PlainDate.from({ year: Number(year), month: Number(month), day: 1 });
      return [{ name, from, to: from.add({ months: 1 }) }];
    })
    .filter(({ to }) => Temporal.PlainDate.compare(to, keepFrom) <= 0);
}

/**
 * Drops the months that are wholly older than RETENTION_MONTHS (0: keeps everything), with all that was made from them:
 * a number that could no longer be recomputed must not stay. One transaction a month. Before 2026, where months have no
 * partitions of their own, rows are deleted.
 * @returns the names of the partitions that were dropped or emptied
 */
export async function dropExpired(ctx: Context): Promise<string[]> {
  const months = ctx.config.RETENTION_MONTHS;
  if (months === 0) return [];
  const today = Temporal.Instant.fromEpochMilliseconds(ctx.now())
    .toZonedDateTimeISO("UTC")
    .toPlainDate();
  const keepFrom = today.with({ day: 1 }).subtract({ months });
  const moment = (date: Temporal.PlainDate) => `${date.toString()}T00:00:00Z`;
  if (Temporal.PlainDate.compare(keepFrom, OLD.to) < 0)
    ctx.log.info("retention", { old: await deleteOld(ctx, Date.parse(moment(keepFrom)) * 1000) });
  const expired = await expiredPartitions(ctx, keepFrom);
  for (const { name, from, to } of expired) {
    const within = (column: string) =>
      sql`${sql.raw(column)} < ${moment(to)}::timestamptz${from ? sql` and ${sql.raw(column)} >= ${moment(from)}::timestamptz` : sql``}`;
    const tables = [...Object.values(ROLLUP_TABLES).flat(), "rollup_marks"];
    await ctx.db.transaction(
      [
        sql`${sql.raw(from ? "drop table" : "truncate")} ${sql.identifier(name)}`,
        sql`delete from execution_keys where ${within("started_at")}`,
        ...tables.map(
          (table) => sql`delete from ${sql.identifier(table)} where ${within("bucket")}`,
        ),
      ].map((statement) => ({ sql: statement, row: nothing })),
      { isolation: "ReadCommitted" },
    );
    // Events stay, and so do the sessions that they alone make; until these are rolled up they are read from the events.
    await ctx.db.run(
      insertMarks("session", "occurred_at", sql`events where ${within("occurred_at")}`),
    );
    ctx.log.info("retention", { dropped: name });
  }
  return expired.map(({ name }) => name);
}
