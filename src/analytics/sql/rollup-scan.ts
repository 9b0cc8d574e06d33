import { type SQL, sql } from "drizzle-orm";
import { keyInWorkspace } from "../../db/scope.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import { haveUserSets } from "../plan/rollup-choice.ts";
import { ROLLUP_SUMS, type RollupGrain } from "../rollups/definition.ts";
import { commaList } from "./lists.ts";
import { inPiece, piecesOf } from "./pieces.ts";
import { basesOf } from "./query-parts.ts";
import { groupColumns, groupNames, slotIndex } from "./slots.ts";

/** A row of the rollup that is read. */
const ROW = "r";
const filtersOf = (plan: QueryPlan) =>
  sql.join(plan.filters.map((filter) => sql`\n        and ${filter(ROW, true)}`));

/** Users of a rollup row: chunks of bits, or the one that the row is of. */
const userColumns = ({ grain }: RollupGrain): [name: string, column: string][] =>
  grain === "user"
    ? [["user_id", "nullif(r.user_id, '')"]]
    : [
        ["user_chunks", "r.user_chunks"],
        ["user_bits", "r.user_bits"],
      ];

/** Sketches and sets of ids of a rollup row, as far as they are asked for. */
function mergedColumns(plan: QueryPlan, from: RollupGrain): string[] {
  const agents = from.dimensions.includes("agent") ? "array[r.agent_id]" : "r.agent_ids";
  const columns: [name: string, column: string][] = [
    ...(plan.quantiles.length > 0 || plan.sketches
      ? ["sketch_keys", "sketch_counts", ...(plan.packed ? ["sketch_sum"] : [])].map(
          (name): [string, string] => [name, `r.${name}`],
        )
      : []),
    ...(plan.users ? userColumns(from) : []),
    ...(plan.agents ? ([["agents", agents]] satisfies [string, string][]) : []),
  ];
  // The row of status '' merges all statuses and has no sums: it alone is read for these, unless a
  // filter or a group tells statuses apart.
  return columns.map(([name, column]) =>
    plan.byStatus
      ? `${column} as ${name}`
      : `case when r.status = '' then ${column} end as ${name}`,
  );
}

/**
 * Rows of one rollup table over its pieces. An hour counts once, however many of its minutes took
 * part.
 */
function rollupRows(plan: QueryPlan, grain: RollupGrain, unit: "day" | "hour" | "minute"): SQL {
  const isGrain =
    grain.table === "user_activity_daily" ? "" : `\n        and r.grain = '${grain.grain}'`;
  const isSummed =
    plan.byStatus || basesOf(plan).length === 0 ? "\n        and r.status <> ''" : "";
  const sums = plan.sums.map((name) => `r.${name}`);
  const columns = [
    sql.raw(unit === "day" ? "'day' as unit" : "'hour' as unit"),
    sql.raw(unit === "minute" ? "date_trunc('hour', r.bucket, 'UTC') as at" : "r.bucket as at"),
    sql`${slotIndex(plan, sql`r.bucket`)} as slot`,
    ...groupColumns(plan, (of) => of(ROW)),
    sql.raw(["r.status", "r.executions", ...sums, ...mergedColumns(plan, grain)].join(", ")),
  ];
  // One index range a piece: `offset 0` keeps the planner from reading all of the workspace
  // instead.
  return sql`
    select ${commaList(columns)}
    from ${piecesOf(unit)}
    cross join lateral (
      select r.* from ${sql.raw(grain.table)} r
      where ${keyInWorkspace(plan.workspaceId, ROW)}${sql.raw(isGrain)}
        and ${inPiece("r.bucket")}${sql.raw(isSummed)}${filtersOf(plan)}
      offset 0
    ) r`;
}

/**
 * Numbers of executions of the quarters of an hour that lie in the pieces, by slot. Their rows are
 * of days: one is read as soon as a piece touches it.
 */
function quarterRows(plan: QueryPlan, { table, grain }: RollupGrain): SQL {
  const by = commaList([sql`at, slot`, ...groupNames(plan), sql`status`]);
  const columns = [
    sql`r.bucket as at, ${slotIndex(plan, sql`q.at`)} as slot`,
    ...groupColumns(plan, (of) => of(ROW)),
    sql`r.status, q.executions`,
  ];
  return sql`
    select 'day' as unit, ${by}, sum(executions)::bigint as executions
    from (
      select ${commaList(columns)}
      from ${piecesOf("quarter")}
      cross join lateral (
        select r.* from ${sql.raw(table)} r
        where ${keyInWorkspace(plan.workspaceId, ROW)}
          and r.grain = ${sql.raw(`'${grain}'`)}
          and r.bucket >= date_trunc('day', lower(s.piece), 'UTC')
          and r.bucket < upper(s.piece)${filtersOf(plan)}
        offset 0
      ) r
      cross join lateral (
        select r.bucket + u.quarter * interval '15 minutes' as at, u.executions
        from unnest(r.quarters, r.executions) u(quarter, executions)
        offset 0
      ) q
      where ${inPiece("q.at")}
    ) counted
    group by ${by}`;
}

/** Rows of all rollups that answer: the columns of `emptyRollups`. */
export function rollupScan(plan: QueryPlan): SQL {
  const { daily, hourly, minutely, quarterly } = plan.source;
  const { day, quarter, recent } = plan.pieces;
  const parts: SQL[] = [];
  if (daily && day.length > 0) parts.push(rollupRows(plan, daily, "day"));
  if (quarterly && quarter.length > 0) parts.push(quarterRows(plan, quarterly));
  if (hourly) parts.push(rollupRows(plan, hourly, "hour"));
  if (minutely && recent) parts.push(rollupRows(plan, minutely, "minute"));
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
