import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { ROLLUP_TABLES, type RollupUnit } from "../../analytics/rollups/definition.ts";
import { FIRST_MARKED_MINUTE, FIRST_MINUTE, insertMarks } from "../../analytics/rollups/marks.ts";
import type { RollupBucket } from "../../analytics/rollups/raw-parts.ts";
import { differingRollups, replaceRollups } from "../../analytics/rollups/recompute.ts";
import type { Db, Statement } from "../../db/client.ts";

/** Pages that are read for a sampled bucket: several, since neighbouring buckets share a page. */
const PAGES_PER_BUCKET = 2;

const bucketRow = z.object({ workspace_id: z.string(), bucket: z.string() });

async function bucketsOf(db: Db, statement: SQL): Promise<RollupBucket[]> {
  const rows = await db.all({ sql: statement, row: bucketRow });
  return rows.map((row) => ({ workspaceId: row.workspace_id, bucket: row.bucket }));
}

const withoutRows = (statement: SQL): Statement<unknown> => ({ sql: statement, row: z.unknown() });

/** Replaces the rollups of these buckets; safe to run twice and beside another run. */
export async function replaceBuckets(
  db: Db,
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
): Promise<void> {
  const statements = replaceRollups(unit, buckets).map(withoutRows);
  await db.transaction(statements, { isolation: "RepeatableRead" });
}

/** The id of the last mark; 0 without any. */
export async function lastMark(db: Db): Promise<number> {
  const row = await db.maybe({
    sql: sql`select last_value as id from rollup_marks_id_seq`,
    row: z.object({ id: z.number() }),
  });
  return row?.id ?? 0;
}

/** Minutes that have ended and are read: the first ones first, of all workspaces alike. */
const markedMinutes = (last: number, limit: number) => sql`
  select distinct workspace_id, bucket
  from rollup_marks
  where unit = 'minute' and id <= ${last}
    and bucket >= ${FIRST_MINUTE} and bucket < date_trunc('minute', now(), 'UTC')
  order by bucket, workspace_id
  limit ${limit}`;

/**
 * Today is read from its hours and raw rows while one of its hours has a mark, so that its own
 * rollup would be of no use yet: a run each hour would read all of the day again and again.
 */
const IS_READ = sql`(
    bucket < date_trunc('day', now(), 'UTC')
    or not exists (
      select
      from rollup_marks h
      where h.unit = 'hour' and h.workspace_id = m.workspace_id
        and h.bucket >= m.bucket and h.bucket < m.bucket + interval '24 hours'
    )
  )`;

const markedBuckets = (unit: RollupUnit, last: number, limit: number) => sql`(
  select distinct workspace_id, bucket
  from rollup_marks m
  where unit = ${unit} and id <= ${last}${unit === "hour" ? sql`` : sql` and ${IS_READ}`}
  order by workspace_id, bucket
  limit ${limit}
)`;

/** Days that were rolled up before their quarters were kept. */
const daysWithoutQuarters = (limit: number) => sql`(
  select distinct workspace_id, bucket
  from execution_metrics_daily d
  where grain = 'total'
    and not exists (
      select
      from execution_quarters_daily q
      where q.workspace_id = d.workspace_id and q.grain = 'total' and q.bucket = d.bucket
    )
  limit ${limit}
)`;

/**
 * Buckets of a unit that wait to be recomputed: those with a mark, and days without quarters.
 * @param last the last mark that counts
 */
export function waitingBuckets(
  db: Db,
  unit: RollupUnit,
  last: number,
  limit: number,
): Promise<RollupBucket[]> {
  if (unit === "minute") return bucketsOf(db, markedMinutes(last, limit));
  const marked = markedBuckets(unit, last, limit);
  if (unit !== "day") return bucketsOf(db, marked);
  return bucketsOf(db, sql`(${marked} union ${daysWithoutQuarters(limit)}) limit ${limit}`);
}

/** Deletes minutes that nobody reads any more, and their marks. */
export async function deleteOldMinutes(db: Db): Promise<void> {
  const statements = [
    sql`delete from execution_metrics_minutely where bucket < ${FIRST_MARKED_MINUTE}`,
    sql`delete from rollup_marks where unit = 'minute' and bucket < ${FIRST_MARKED_MINUTE}`,
  ];
  await db.transaction(statements.map(withoutRows), { isolation: "RepeatableRead" });
}

/** Deletes every rollup row, and marks all that must be made again. */
export async function deleteAllRollups(db: Db): Promise<void> {
  const tables = Object.values(ROLLUP_TABLES).flat();
  const statements = [
    ...tables.map((table) => sql`delete from ${sql.identifier(table)}`),
    // An hour's run marks its day, and the sessions of that.
    insertMarks("hour", "started_at", sql`executions`),
    insertMarks("session", "occurred_at", sql`events`),
  ];
  await db.transaction(statements.map(withoutRows), { isolation: "RepeatableRead" });
}

interface SampledTable {
  table: string;
  /** The start of a row's bucket (SQL). */
  bucket: string;
}

/** Tables to sample: rollups, to find rows too many, and raw rows, to find rows missing. */
const SAMPLED_TABLES: Record<RollupUnit, SampledTable[]> = {
  minute: [
    { table: "execution_metrics_minutely", bucket: "bucket" },
    { table: "execution_keys", bucket: "date_trunc('minute', started_at, 'UTC')" },
  ],
  hour: [
    { table: "execution_metrics_hourly", bucket: "bucket" },
    { table: "execution_keys", bucket: "date_trunc('hour', started_at, 'UTC')" },
  ],
  day: [
    { table: "execution_metrics_daily", bucket: "bucket" },
    { table: "execution_keys", bucket: "date_trunc('day', started_at, 'UTC')" },
  ],
  session: [
    { table: "sessions_daily", bucket: "bucket" },
    { table: "execution_keys", bucket: "date_trunc('day', started_at, 'UTC')" },
    { table: "events", bucket: "date_trunc('day', occurred_at, 'UTC')" },
  ],
};

/**
 * Buckets of random rows. About as many pages are read as buckets are wanted, any page as likely as
 * another, so that it costs the same whatever the size of the table.
 */
function sampledRows({ table, bucket }: SampledTable, count: number): SQL {
  const pages = sql`${count}::int * ${PAGES_PER_BUCKET}::int`;
  const wanted = sql`100.0 * ${pages} * current_setting('block_size')::int`;
  const share = sql`least(100, ${wanted} / greatest(1, pg_relation_size(${table}::regclass)))`;
  return sql`
    select workspace_id, bucket
    from (
      select distinct workspace_id, ${sql.raw(bucket)} as bucket
      from ${sql.identifier(table)} tablesample system (${share})
    ) rows
    order by random()
    limit ${count}`;
}

/** @param count buckets of each table that is sampled */
export function sampledBuckets(db: Db, unit: RollupUnit, count: number): Promise<RollupBucket[]> {
  const parts = SAMPLED_TABLES[unit].map((each) => sql`(${sampledRows(each, count)})`);
  return bucketsOf(db, sql.join(parts, sql` union `));
}

/**
 * Recomputes buckets and stores the differences from their rollups.
 * @returns how many rows differ
 */
export async function storeDifferences(
  db: Db,
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
): Promise<number> {
  const stored = await db.all({
    sql: sql`
      insert into rollup_differences (found_at, unit, workspace_id, bucket, detail)
      select now(), ${unit}, workspace_id, bucket, detail
      from (${differingRollups(unit, buckets)}) d
      returning id`,
    row: z.object({ id: z.number() }),
  });
  return stored.length;
}
