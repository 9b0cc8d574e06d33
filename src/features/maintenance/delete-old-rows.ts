import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Context } from "../../context.ts";
import { instantSql } from "../../db/instants.ts";
import { asOneRow, inWorkspace, keyInList } from "../../db/scope.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";

const BATCH = 2_000;
const MAX_INVOCATION_MS = 20_000;

const edges = z.object({ first: z.string().nullable(), last: z.string().nullable() });
const counted = z.object({ deleted: z.number() });

/** Where the rows of a workspace are deleted, the oldest first. */
interface Aged {
  table: "executions" | "events";
  time: "started_at" | "occurred_at";
  /** CTEs behind `gone`, the deleted rows. */
  follow: SQL;
}
const OLD_EXECUTIONS: Aged = {
  table: "executions",
  time: "started_at",
  follow: sql`keys as (
      delete from execution_keys k using gone g where ${keyInList("g", "k")} and k.id = g.id and k.started_at = g.at and ${asOneRow("g")}
    ), marks as (${insertMarks("hour", "at", sql`gone`)}
    )`,
};
const AGED: readonly Aged[] = [
  OLD_EXECUTIONS,
  {
    table: "events",
    time: "occurred_at",
    follow: sql`marks as (${insertMarks("session", "at", sql`gone`)}
    )`,
  },
];

/**
 * Deletes a batch of what a workspace has from before a moment, with its keys; marks are written in the same statement. The batch is
 * a range of times with constant ends: no list is joined with the table, and only the partitions that it lies in are locked.
 * @returns how many rows were deleted; fewer than BATCH: there are no more
 */
async function deleteOldest(
  ctx: Context,
  workspaceId: string,
  { table, time, follow }: Aged,
  before: EpochUs,
): Promise<number> {
  const [name, at] = [sql.identifier(table), sql`x.${sql.identifier(time)}`];
  const old = sql`${inWorkspace(workspaceId, "x")} and ${at} < ${instantSql(before)}`;
  const batch = await ctx.db.maybe({
    sql: sql`select min(at) as first, max(at) as last from (select ${at} as at from ${name} x where ${old} order by ${at} limit ${BATCH}) b`,
    row: edges,
  });
  if (!batch?.first) return 0;
  const found = await ctx.db.maybe({
    sql: sql`with gone as (
        delete from ${name} x where ${inWorkspace(workspaceId, "x")} and ${at} >= ${batch.first}::timestamptz and ${at} <= ${batch.last}::timestamptz
        returning x.workspace_id, x.id, ${at} as at
      ), ${follow} select count(*) as deleted from gone`,
    row: counted,
  });
  return found?.deleted ?? 0;
}

const kept = z.object({ id: z.string(), days: z.number() });

/**
 * Deletes what a workspace has from before a moment, batch by batch, until there is no more or the time is up.
 * @param until milliseconds since 1970
 * @returns how many rows were deleted
 */
async function deleteAged(
  ctx: Context,
  workspaceId: string,
  aged: Aged,
  before: EpochUs,
  until: number,
): Promise<number> {
  let deleted = 0;
  for (let count = BATCH; count >= BATCH && ctx.now() < until; ) {
    count = await deleteOldest(ctx, workspaceId, aged, before);
    deleted += count;
  }
  if (deleted > 0) ctx.cache.invalidate(workspaceId);
  return deleted;
}

const named = z.object({ id: z.string() });

/**
 * Deletes executions of all workspaces that are in the partition of old ones and from before a moment. Bounded like `applyRetention`.
 * @returns how many were deleted
 */
export async function deleteOld(ctx: Context, before: EpochUs): Promise<number> {
  const until = ctx.now() + MAX_INVOCATION_MS;
  const next = (after: SQL) =>
    sql`(select min(x.workspace_id) from executions_old x where ${after})`;
  const workspaces = await ctx.db.all({
    sql: sql`with recursive found(id) as (
        select ${next(sql`true`)} union all select ${next(sql`x.workspace_id > f.id`)} from found f where f.id is not null
      ) select id from found where id is not null order by random()`,
    row: named,
  });
  let deleted = 0;
  for (const { id } of workspaces)
    deleted += await deleteAged(ctx, id, OLD_EXECUTIONS, before, until);
  return deleted;
}

/**
 * Deletes what is older than a workspace's own retention_days (whole UTC days): executions with their keys, and events. The
 * rollups of those days become empty by their next run. Bounded: what is left waits for the next night.
 * @returns how many rows were deleted
 */
export async function applyRetention(ctx: Context): Promise<number> {
  const started = ctx.now();
  const today = Math.floor((started * 1000) / DAY_US) * DAY_US;
  const workspaces = await ctx.db.all({
    sql: sql`select w.id, w.retention_days as days from workspaces w where w.retention_days is not null order by random()`,
    row: kept,
  });
  let deleted = 0;
  for (const { id, days } of workspaces) {
    for (const aged of AGED)
      deleted += await deleteAged(
        ctx,
        id,
        aged,
        today - days * DAY_US,
        started + MAX_INVOCATION_MS,
      );
  }
  ctx.log.info("retention", { deleted });
  return deleted;
}
