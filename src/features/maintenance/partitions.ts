import { Temporal } from "temporal-polyfill";
import type { Context } from "../../context.ts";
import type { Db } from "../../db/client.ts";
import { deleteOld } from "./delete-old-rows.ts";
import { dropPartition, executionPartitions, makePartitions } from "./queries.ts";

const MONTHS_AHEAD = 3;

/** Makes the partitions of this month and the next ones. */
export const ensurePartitions = (ctx: Context): Promise<void> =>
  makePartitions(ctx.db, MONTHS_AHEAD);

/** The partition of all that started before 2026, which stays (migration 0008 says why). */
const OLD = { name: "executions_old", to: Temporal.PlainDate.from("2026-01-01") };
/** The name of a month's partition. */
const MONTH_NAME = /^executions_(\d{4})_(\d\d)$/;

interface ExpiredPartition {
  name: string;
  from: Temporal.PlainDate | undefined;
  to: Temporal.PlainDate;
}

function partitionOf(name: string, hasOld: boolean): ExpiredPartition[] {
  if (name === OLD.name) return hasOld ? [{ ...OLD, from: undefined }] : [];
  const [, year, month] = MONTH_NAME.exec(name) ?? [];
  if (!year || !month) return [];
  const from = Temporal.PlainDate.from({ year: Number(year), month: Number(month), day: 1 });
  return [{ name, from, to: from.add({ months: 1 }) }];
}

/** Partitions that have rows, and none from `keepFrom` on. */
async function expiredPartitions(
  db: Db,
  keepFrom: Temporal.PlainDate,
): Promise<ExpiredPartition[]> {
  const partitions = await executionPartitions(db);
  return partitions
    .flatMap(({ name, has_old }) => partitionOf(name, has_old))
    .filter(({ to }) => Temporal.PlainDate.compare(to, keepFrom) <= 0);
}

const instantOf = (date: Temporal.PlainDate) => `${date.toString()}T00:00:00Z`;

/**
 * Drops the months that are wholly older than RETENTION_MONTHS (0: keeps everything), with all that
 * was made from them: a number that could no longer be recomputed must not stay. One transaction a
 * month. Before 2026, where months have no partitions of their own, rows are deleted.
 * @returns the names of the partitions that were dropped or emptied
 */
export async function dropExpired(ctx: Context): Promise<string[]> {
  const months = ctx.config.RETENTION_MONTHS;
  if (months === 0) return [];
  const now = Temporal.Instant.fromEpochMilliseconds(ctx.now());
  const today = now.toZonedDateTimeISO("UTC").toPlainDate();
  const keepFrom = today.with({ day: 1 }).subtract({ months });
  if (Temporal.PlainDate.compare(keepFrom, OLD.to) < 0) {
    const before = Date.parse(instantOf(keepFrom)) * 1000;
    ctx.log.info("retention", { old: await deleteOld(ctx, before) });
  }
  const expired = await expiredPartitions(ctx.db, keepFrom);
  for (const { name, from, to } of expired) {
    const start = from && instantOf(from);
    await dropPartition(ctx.db, { name, from: start, to: instantOf(to) });
    ctx.log.info("retention", { dropped: name });
  }
  return expired.map(({ name }) => name);
}
