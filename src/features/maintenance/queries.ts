import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { ROLLUP_TABLES } from "../../analytics/rollups/definition.ts";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Db, Statement } from "../../db/client.ts";
import { instantSql } from "../../db/instants.ts";
import { asOneRow, inWorkspace, keyInList } from "../../db/scope.ts";
import type { EpochUs } from "../../lib/time.ts";

const closedRow = z.object({ workspace_id: z.string(), closed: z.number() });

/**
 * Closes a batch of executions that have been silent for too long, and marks their hours.
 * @param defaultMinutes the limit of a workspace without one of its own
 */
export function closeSilent(
  db: Db,
  defaultMinutes: number,
  batch: number,
): Promise<z.output<typeof closedRow>[]> {
  const limit = sql`coalesce(w.stale_after_minutes, ${defaultMinutes})`;
  return db.all({
    sql: sql`
      with silent as materialized (
        select e.workspace_id, e.started_at, e.id, t.before
        from executions e
        left join workspaces w on w.id = e.workspace_id
        cross join lateral (select now() - make_interval(mins => ${limit}) as before) t
        where e.status = 'running' and e.heard_at < t.before
        limit ${batch}
      ),
      closed as (
        update executions e
        set status = 'timeout', stale = true
        from silent s
        where ${keyInList("s", "e")}
          and e.started_at = s.started_at
          and e.id = s.id
          and ${asOneRow("s")}
          and case when e.status = 'running' then e.heard_at < s.before end
        returning e.workspace_id, e.started_at
      ),
      marks as (${insertMarks("hour", "started_at", sql`closed`)}
      )
      select workspace_id, count(*) as closed
      from closed
      group by workspace_id`,
    row: closedRow,
  });
}

/** A table whose old rows are deleted, the oldest first. */
export interface AgedTable {
  table: "executions" | "events";
  time: "started_at" | "occurred_at";
  /** CTEs that follow `gone`, the deleted rows. */
  follow: SQL;
}

export const OLD_EXECUTIONS: AgedTable = {
  table: "executions",
  time: "started_at",
  follow: sql`
    keys as (
      delete from execution_keys k
      using gone g
      where ${keyInList("g", "k")} and k.id = g.id and k.started_at = g.at and ${asOneRow("g")}
    ),
    marks as (${insertMarks("hour", "at", sql`gone`)}
    )`,
};

export const OLD_EVENTS: AgedTable = {
  table: "events",
  time: "occurred_at",
  follow: sql`
    marks as (${insertMarks("session", "at", sql`gone`)}
    )`,
};

/**
 * Deletes a batch of the workspace's rows from before a moment, and marks their buckets. The batch
 * is a range of times with constant ends: no list is joined with the table, and only the partitions
 * of the range are locked.
 * @returns how many rows were deleted; fewer than `batch` if no others are left
 */
export async function deleteOldest(
  db: Db,
  workspaceId: string,
  { table, time, follow }: AgedTable,
  before: EpochUs,
  batch: number,
): Promise<number> {
  const name = sql.identifier(table);
  const at = sql`x.${sql.identifier(time)}`;
  const { first, last } = await db.one({
    sql: sql`
      select min(at) as first, max(at) as last
      from (
        select ${at} as at
        from ${name} x
        where ${inWorkspace(workspaceId, "x")} and ${at} < ${instantSql(before)}
        order by ${at}
        limit ${batch}
      ) b`,
    row: z.object({ first: z.string().nullable(), last: z.string().nullable() }),
  });
  if (!first) return 0;
  const { deleted } = await db.one({
    sql: sql`
      with gone as (
        delete from ${name} x
        where ${inWorkspace(workspaceId, "x")}
          and ${at} >= ${first}::timestamptz
          and ${at} <= ${last}::timestamptz
        returning x.workspace_id, x.id, ${at} as at
      ),
      ${follow}
      select count(*) as deleted
      from gone`,
    row: z.object({ deleted: z.number() }),
  });
  return deleted;
}

/** Workspaces with executions in the partition of old ones, in random order. */
export async function workspacesWithOldExecutions(db: Db): Promise<string[]> {
  const next = (after: SQL) =>
    sql`(select min(x.workspace_id) from executions_old x where ${after})`;
  const rows = await db.all({
    sql: sql`
      with recursive found(id) as (
        select ${next(sql`true`)}
        union all
        select ${next(sql`x.workspace_id > f.id`)}
        from found f
        where f.id is not null
      )
      select id
      from found
      where id is not null
      order by random()`,
    row: z.object({ id: z.string() }),
  });
  return rows.map(({ id }) => id);
}

/** Workspaces that keep their rows for a number of days, in random order. */
export const workspacesWithRetention = (db: Db) =>
  db.all({
    sql: sql`
      select w.id, w.retention_days as days
      from workspaces w
      where w.retention_days is not null
      order by random()`,
    row: z.object({ id: z.string(), days: z.number() }),
  });

/** Makes the partitions of this month and the next ones. */
export const makePartitions = (db: Db, monthsAhead: number): Promise<void> =>
  db.run(sql`
    select ensure_execution_partition(now() + make_interval(months => n))::text
    from generate_series(0, ${monthsAhead}) n`);

/** The partitions of executions by name, and whether the partition of old ones has any. */
export const executionPartitions = (db: Db) =>
  db.all({
    sql: sql`
      select c.relname as name, exists (select from executions_old) as has_old
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'executions'::regclass
      order by 1`,
    row: z.object({ name: z.string(), has_old: z.boolean() }),
  });

/** A partition and its time; `from` is undefined for the partition of all that is old. */
export interface PartitionTime {
  name: string;
  /** RFC 3339. */
  from: string | undefined;
  to: string;
}

function inPartition(column: string, { from, to }: PartitionTime): SQL {
  const before = sql`${sql.raw(column)} < ${to}::timestamptz`;
  if (from === undefined) return before;
  return sql`${before} and ${sql.raw(column)} >= ${from}::timestamptz`;
}

/**
 * Drops a month, or empties the partition of old ones, with its keys, rollups and marks. Events
 * stay, and so do the sessions that they alone make: their days are marked.
 */
export async function dropPartition(db: Db, partition: PartitionTime): Promise<void> {
  const verb = sql.raw(partition.from ? "drop table" : "truncate");
  const tables = [...Object.values(ROLLUP_TABLES).flat(), "rollup_marks"];
  const statements = [
    sql`${verb} ${sql.identifier(partition.name)}`,
    sql`delete from execution_keys where ${inPartition("started_at", partition)}`,
    ...tables.map(
      (table) =>
        sql`delete from ${sql.identifier(table)} where ${inPartition("bucket", partition)}`,
    ),
  ];
  await db.transaction(
    statements.map((statement): Statement<unknown> => ({ sql: statement, row: z.unknown() })),
    { isolation: "ReadCommitted" },
  );
  const events = sql`events where ${inPartition("occurred_at", partition)}`;
  await db.run(insertMarks("session", "occurred_at", events));
}
