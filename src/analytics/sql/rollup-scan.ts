import { type SQL, sql } from "drizzle-orm";
import { keyInWorkspace } from "../../db/scope.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import { haveUserSets } from "../plan/rollup-choice.ts";
import { ROLLUP_SUMS, type RollupGrain } from "../rollups/definition.ts";
import { commaList } from "./lists.ts";
import { basesOf } from "./query-parts.ts";
import { groupColumns, groupNames, intervalsOf, slotIndex } from "./slots.ts";

const filtersOf = (plan: QueryPlan, table: string) =>
  sql.join(plan.filters.map((filter) => sql`\n        and ${filter(table, true)}`));

/** Users of a rollup row: chunks of bits, or the one that the row is of. */
function userColumns({ table, grain }: RollupGrain): { name: string; column: SQL }[] {
  const row = sql.identifier(table);
  if (grain === "user") return [{ name: "user_id", column: sql`nullif(${row}.user_id, '')` }];
  return [
    { name: "user_chunks", column: sql`${row}.user_chunks` },
    { name: "user_bits", column: sql`${row}.user_bits` },
  ];
}

/** Sketches and sets of ids of a rollup row, as far as they are asked for. */
function mergedColumns(plan: QueryPlan, from: RollupGrain): SQL[] {
  const { table, dimensions } = from;
  const row = sql.identifier(table);
  const agents = dimensions.includes("agent") ? sql`array[${row}.agent_id]` : sql`${row}.agent_ids`;
  // The row of status '' merges all statuses and has no sums: it alone is read for these, unless a
  // filter or a group tells statuses apart.
  const merged = (column: SQL) =>
    plan.byStatus ? column : sql`case when ${row}.status = '' then ${column} end`;
  return [
    ...(plan.quantiles.length > 0 || plan.sketches
      ? [
          sql`${merged(sql`sketch_keys`)} as sketch_keys`,
          sql`${merged(sql`sketch_counts`)} as sketch_counts`,
          ...(plan.packed ? [sql`${merged(sql`sketch_sum`)} as sketch_sum`] : []),
        ]
      : []),
    ...(plan.users
      ? userColumns(from).map(
          ({ name, column }) => sql`${merged(column)} as ${sql.identifier(name)}`,
        )
      : []),
    ...(plan.agents ? [sql`${merged(agents)} as agents`] : []),
  ];
}

/**
 * Rows of one rollup table over the given intervals (SQL). An hour counts once, however many of its
 * minutes took part.
 */
function rollupRows(
  plan: QueryPlan,
  grain: RollupGrain,
  unit: "day" | "hour" | "minute",
  over: SQL,
  clean: SQL,
): SQL {
  const row = sql.identifier(grain.table);
  const isGrain =
    grain.table === "user_activity_daily" ? sql`true` : sql`${row}.grain = ${grain.grain}`;
  const isSummed =
    plan.byStatus || basesOf(plan).length === 0 ? sql`\n        and ${row}.status <> ''` : sql``;
  const columns = [
    sql`${sql.raw(unit === "day" ? "'day'" : "'hour'")} as unit`,
    unit === "minute"
      ? sql`date_trunc('hour', ${row}.bucket, 'UTC') as at`
      : sql`${row}.bucket as at`,
    sql`${slotIndex(plan, sql`${row}.bucket`)} as slot`,
    ...groupColumns(plan, (of) => of(grain.table)),
    sql`${row}.status, ${row}.executions`,
    ...plan.sums.map((name) => sql`${row}.${sql.identifier(name)}`),
    ...mergedColumns(plan, grain),
  ];
  // One index range a piece: `offset 0` keeps the planner from reading all of the workspace
  // instead.
  return sql`
    select ${commaList(columns)}
    from ${over}
    cross join lateral (
      select ${row}.* from ${row}
      where ${keyInWorkspace(plan.workspaceId, grain.table)}
        and ${isGrain}
        and ${row}.bucket >= s.lo and ${row}.bucket < s.hi${isSummed}${filtersOf(plan, grain.table)}
      offset 0
    ) ${row}
    where ${clean}`;
}

/**
 * Numbers of executions of the quarters of an hour that lie in the pieces, by slot. Their rows are
 * of days: one is read as soon as a piece touches it.
 */
function quarterRows(plan: QueryPlan, { table, grain }: RollupGrain): SQL {
  const row = sql.identifier(table);
  const by = commaList([sql`at, slot`, ...groupNames(plan), sql`status`]);
  const columns = [
    sql`${row}.bucket as at, ${slotIndex(plan, sql`q.at`)} as slot`,
    ...groupColumns(plan, (of) => of(table)),
    sql`${row}.status, q.executions`,
  ];
  return sql`
    select 'day' as unit, ${by}, sum(executions)::bigint as executions
    from (
      select ${commaList(columns)}
      from ${intervalsOf(plan.pieces.quarter)}
      cross join lateral (
        select ${row}.* from ${row}
        where ${keyInWorkspace(plan.workspaceId, table)}
          and ${row}.grain = ${grain}
          and ${row}.bucket >= date_trunc('day', s.lo, 'UTC')
          and ${row}.bucket < s.hi${filtersOf(plan, table)}
        offset 0
      ) ${row}
      cross join lateral (
        select ${row}.bucket + u.quarter * interval '15 minutes' as at, u.executions
        from unnest(${row}.quarters, ${row}.executions) u(quarter, executions)
        offset 0
      ) q
      where q.at >= s.lo and q.at < s.hi
        and ${row}.bucket not in (select day from days_without_quarters)
    ) counted
    group by ${by}`;
}

/** Rows of all rollups that answer: the columns of `emptyRollups`. */
export function rollupScan(plan: QueryPlan): SQL {
  const { daily, hourly, minutely, quarterly } = plan.source;
  const { day, hour, quarter, recent } = plan.pieces;
  const parts: SQL[] = [];
  if (daily && day.length > 0) {
    const clean = sql`${sql.identifier(daily.table)}.bucket not in (select day from dirty_days)`;
    parts.push(rollupRows(plan, daily, "day", intervalsOf(day), clean));
  }
  if (quarterly && quarter.length > 0) parts.push(quarterRows(plan, quarterly));
  if (hourly) {
    const clean = sql`${sql.identifier(hourly.table)}.bucket not in (select hour from dirty_hours)`;
    const over = sql`(
      select lo, hi from ${intervalsOf(hour)}
      union all select lo, hi from fallback_hours
    ) as s`;
    parts.push(rollupRows(plan, hourly, "hour", over, clean));
  }
  if (minutely && recent) {
    const bucket = sql`${sql.identifier(minutely.table)}.bucket`;
    const clean = sql`${bucket} not in (select minute from dirty_minutes)`;
    parts.push(rollupRows(plan, minutely, "minute", sql`minute_pieces s`, clean));
  }
  return parts.length === 0 ? emptyRollups(plan) : sql.join(parts, sql`\n    union all`);
}

/** The same columns without a row: no rollup keeps the asked dimensions apart. */
function emptyRollups(plan: QueryPlan): SQL {
  const columns = [
    sql`null::text as unit, null::timestamptz as at, null::int as slot`,
    ...groupColumns(plan, () => sql`null::text`),
    sql`null::text as status, null::bigint as executions`,
    ...plan.sums.map((name) => sql.raw(`null::${ROLLUP_SUMS[name].type} as ${name}`)),
    ...(plan.quantiles.length > 0 || plan.sketches
      ? [
          sql`null::int[] as sketch_keys, null::int[] as sketch_counts`,
          ...(plan.packed ? [sql`null::numeric as sketch_sum`] : []),
        ]
      : []),
    ...(plan.users && haveUserSets(plan.source)
      ? [sql`null::int[] as user_chunks, null::bit(256)[] as user_bits`]
      : []),
    ...(plan.users && !haveUserSets(plan.source) ? [sql`null::text as user_id`] : []),
    ...(plan.agents ? [sql`null::text[] as agents`] : []),
  ];
  return sql`select ${commaList(columns)} where false`;
}
