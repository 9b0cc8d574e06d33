import { type SQL, sql } from "drizzle-orm";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { DAY_US } from "../../lib/time.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import { ROLLUP_SUMS, type RollupGrain } from "../rollups/definition.ts";
import { inRanges, instantList } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { basesOf } from "./aggregates.ts";
import { commaList } from "./lists.ts";

export const intervalsOf = (list: readonly TimeRange[]) =>
  sql`unnest(${instantList(list.map((piece) => piece.from))}, ${instantList(list.map((piece) => piece.to))}) as s(lo, hi)`;

/** Index of the slot that a moment falls into: the pieces that are read lie in slots, so that a single one needs no search. */
const slotOf = ({ slots }: QueryPlan, column: SQL) =>
  slots.length === 1 ? sql`1` : sql`width_bucket(${column}, (select starts from slot))`;

const groupName = (index: number) => sql.identifier(`g${index}`);

/** The groups that the row itself tells; those of the clock follow from its slot. */
const groupColumns = (plan: QueryPlan, text: (of: (alias: string) => SQL) => SQL) =>
  plan.groups.flatMap(({ of }, index) =>
    typeof of === "string" ? [] : [sql`${text(of)} as ${groupName(index)}`],
  );

/** Rows with the period and the bucket of their slot (literals where all slots agree, which need no grouping), and its clock. */
export function rowsInSlots({ slots, groups }: QueryPlan, rows: SQL): SQL {
  const of = (name: "period" | "bucket") => {
    const [first = 0, ...others] = new Set(slots.map((slot) => slot[name]));
    return others.length === 0
      ? sql.raw(String(first))
      : sql`(select ${sql.raw(`${name}s`)} from slot)[r.slot]`;
  };
  const clocks = groups.flatMap((group, index) =>
    typeof group.of === "string"
      ? [sql`((select ${sql.raw(group.of)} from slot)[r.slot])::text as ${groupName(index)}`]
      : [],
  );
  // `offset 0`: the slot is found once a row, and not for each column that is made of it.
  const fence = slots.length === 1 ? sql`` : sql` offset 0`;
  return sql`select ${commaList([sql`r.*, ${of("period")} as period, ${of("bucket")} as out`, ...clocks])} from (${rows}${fence}) r`;
}

/** Rows of one rollup table over the given intervals. */
function rollupRows(
  plan: QueryPlan,
  grain: RollupGrain,
  unit: "day" | "hour",
  over: SQL,
  clean: SQL,
): SQL {
  const row = sql.identifier(grain.table);
  const grainOf =
    grain.table === "user_activity_daily" ? sql`true` : sql`${row}.grain = ${grain.grain}`;
  const users =
    grain.grain === "user"
      ? sql`case when ${row}.user_id <> '' then array[${row}.user_id] end`
      : sql`${row}.user_ids`;
  const agents = grain.dimensions.includes("agent")
    ? sql`array[${row}.agent_id]`
    : sql`${row}.agent_ids`;
  // The row of status '' unites all statuses: it alone is read for sketches and sets, unless the statuses are asked apart. It has no sums.
  const united = (column: SQL) =>
    plan.byStatus ? column : sql`case when ${row}.status = '' then ${column} end`;
  const apart = plan.byStatus || basesOf(plan).length === 0 ? sql` and ${row}.status <> ''` : sql``;
  const columns = [
    sql`${sql.raw(`'${unit}'`)} as unit`,
    sql`${row}.bucket as at`,
    sql`${slotOf(plan, sql`${row}.bucket`)} as slot`,
    ...groupColumns(plan, (of) => of(grain.table)),
    sql`${row}.status, ${row}.executions`,
    ...plan.sums.map((name) => sql`${row}.${sql.identifier(name)}`),
    ...(plan.quantiles.length > 0 || plan.sketches
      ? [
          sql`${united(sql`sketch_keys`)} as sketch_keys, ${united(sql`sketch_counts`)} as sketch_counts`,
        ]
      : []),
    ...(plan.users ? [sql`${united(users)} as users`] : []),
    ...(plan.agents ? [sql`${united(agents)} as agents`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter(grain.table, true)}`);
  // One index range a piece: `offset 0` keeps the planner from reading all of the workspace's rows instead.
  return sql`select ${commaList(columns)} from ${over} cross join lateral (
      select ${row}.* from ${row} where ${keyInWorkspace(plan.workspaceId, grain.table)} and ${grainOf}
        and ${row}.bucket >= s.lo and ${row}.bucket < s.hi${apart}${sql.join(filters)} offset 0
    ) ${row} where ${clean}`;
}

/**
 * Numbers of executions of the quarters of an hour that lie in the pieces, by slot. Their rows are of days: one is read as soon as
 * a piece touches it.
 */
function quarterRows(plan: QueryPlan, grain: RollupGrain): SQL {
  const row = sql.identifier(grain.table);
  const groups = groupColumns(plan, (of) => of(grain.table));
  const keys = plan.groups.flatMap(({ of }, index) =>
    typeof of === "string" ? [] : [groupName(index)],
  );
  const by = commaList([sql`at, slot`, ...keys.map((key) => sql`${key}`), sql`status`]);
  const filters = plan.filters.map((filter) => sql` and ${filter(grain.table, true)}`);
  return sql`select 'day' as unit, ${by}, sum(executions)::bigint as executions from (
    select ${commaList([sql`${row}.bucket as at, ${slotOf(plan, sql`q.at`)} as slot`, ...groups, sql`${row}.status, q.executions`])}
    from ${intervalsOf(plan.pieces.quarter)} cross join lateral (
      select ${row}.* from ${row} where ${keyInWorkspace(plan.workspaceId, grain.table)} and ${row}.grain = ${grain.grain}
        and ${row}.bucket >= date_trunc('day', s.lo, 'UTC') and ${row}.bucket < s.hi${sql.join(filters)} offset 0
    ) ${row} cross join lateral (
      select ${row}.bucket + u.quarter * interval '15 minutes' as at, u.executions from unnest(${row}.quarters, ${row}.executions) u(quarter, executions) offset 0
    ) q where q.at >= s.lo and q.at < s.hi and ${row}.bucket not in (select day from days_without_quarters)
  ) counted group by ${by}`;
}

/** Rows of all rollups that answer: the columns of `emptyRollups`. */
export function rollupScan(plan: QueryPlan): SQL {
  const { daily, hourly, quarterly } = plan.source;
  const parts: SQL[] = [];
  if (daily && plan.pieces.day.length > 0) {
    const clean = sql`${sql.identifier(daily.table)}.bucket not in (select day from dirty_days)`;
    parts.push(rollupRows(plan, daily, "day", intervalsOf(plan.pieces.day), clean));
  }
  if (quarterly && plan.pieces.quarter.length > 0) parts.push(quarterRows(plan, quarterly));
  if (hourly) {
    const clean = sql`${sql.identifier(hourly.table)}.bucket not in (select hour from dirty_hours)`;
    const over = sql`(select lo, hi from ${intervalsOf(plan.pieces.hour)} union all select lo, hi from fallback_hours) as s`;
    parts.push(rollupRows(plan, hourly, "hour", over, clean));
  }
  if (parts.length === 0) return emptyRollups(plan);
  return sql.join(parts, sql` union all `);
}

/** The same columns without a row: no rollup keeps the asked dimensions apart. */
function emptyRollups(plan: QueryPlan): SQL {
  const columns = [
    sql`null::text as unit, null::timestamptz as at, null::int as slot`,
    ...groupColumns(plan, () => sql`null::text`),
    sql`null::text as status, null::bigint as executions`,
    ...plan.sums.map((name) => sql.raw(`null::${ROLLUP_SUMS[name].type} as ${name}`)),
    ...(plan.quantiles.length > 0 || plan.sketches
      ? [sql`null::int[] as sketch_keys, null::int[] as sketch_counts`]
      : []),
    ...(plan.users ? [sql`null::text[] as users`] : []),
    ...(plan.agents ? [sql`null::text[] as agents`] : []),
  ];
  return sql`select ${commaList(columns)} where false`;
}

/** Raw rows of the pieces no rollup may answer: what only they can cut, and every hour (or day) with a mark. */
export function rawScan(plan: QueryPlan): SQL {
  const durations =
    plan.sketches ||
    plan.quantiles.length > 0 ||
    plan.sums.some((name) => name.startsWith("duration"));
  const columns = [
    sql`${slotOf(plan, sql`e.started_at`)} as slot`,
    ...groupColumns(plan, (of) => of("e")),
    sql`e.status`,
    ...(plan.sums.includes("errors") ? [sql`(e.error_type is not null)::int as errors`] : []),
    ...(durations
      ? [sql`case when e.status <> 'running' then e.duration_ms end as duration_ms`]
      : []),
    ...(["credits", "tokens_in", "tokens_out"] as const)
      .filter((name) => plan.sums.includes(name))
      .map((name) => sql`e.${sql.identifier(name)}`),
    ...(plan.users ? [sql`e.user_id`] : []),
    ...(plan.agents ? [sql`e.agent_id`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter("e", false)}`);
  // As for rollups: one index range a piece, also when a filter has an index of its own.
  return sql`select ${commaList(columns)} from raw_pieces s cross join lateral (select e.* from executions e where ${keyInWorkspace(plan.workspaceId, "e")}
    and e.started_at >= s.lo and e.started_at < s.hi and ${inRanges(sql`e.started_at`, plan.slots)}${sql.join(filters)} offset 0) e`;
}

/** The days (UTC) that pieces touch. */
function daysOf(list: readonly TimeRange[]): number[] {
  const days = new Set<number>();
  for (const { from, to } of list)
    for (let day = Math.floor(from / DAY_US) * DAY_US; day < to; day += DAY_US) days.add(day);
  return [...days];
}

/**
 * CTEs from the marks: `days_without_quarters`, the days whose quarters cannot answer (marked, or never rolled up); `fallback_hours`, what hourly
 * rows answer in place of days and quarters; `raw_pieces`, what raw rows answer.
 */
export function pieceTables(plan: QueryPlan): SQL {
  const { day, hour, quarter, raw, fallback: beneath } = plan.pieces;
  const hourly = plan.source.hourly !== undefined;
  const overlap = (
    over: readonly TimeRange[],
  ) => sql`select greatest(s.lo, d.day) as lo, least(s.hi, d.day + interval '24 hours') as hi
    from ${intervalsOf(over)} join days_without_quarters d on d.day < s.hi and d.day + interval '24 hours' > s.lo`;
  const dirtyDay = sql`select d.day as lo, d.day + interval '24 hours' as hi from ${intervalsOf(day)} join dirty_days d on d.day >= s.lo and d.day < s.hi`;
  const dirtyHour = sql`select d.hour, d.hour + interval '1 hour' from ${intervalsOf([...day, ...hour, ...beneath.hour])} join dirty_hours d on d.hour >= s.lo and d.hour < s.hi`;
  const none = sql`select null::timestamptz as lo, null::timestamptz as hi where false`;
  const missing = sql`select d.day from unnest(${instantList(daysOf(quarter))}) d(day) where exists (select from dirty_days m where m.day = d.day)
    or not exists (select from execution_quarters_daily q where ${inWorkspace(plan.workspaceId, "q")} and q.grain = 'total' and q.bucket = d.day)`;
  const [withoutQuarters, hoursBeneath, rawBeneath] =
    quarter.length > 0
      ? [
          sql`days_without_quarters as materialized (${missing}), `,
          sql` union all ${overlap(beneath.hour)}`,
          sql` union all ${overlap(beneath.raw)}`,
        ]
      : [sql``, sql``, sql``];
  // Without hourly rows for these dimensions a marked day is read raw as a whole.
  return sql`${withoutQuarters}fallback_hours(lo, hi) as materialized (${hourly ? sql`${dirtyDay}${hoursBeneath}` : none}),
    raw_pieces(lo, hi) as materialized (select lo, hi from ${intervalsOf(raw)} union all ${hourly ? sql`${dirtyHour}${rawBeneath}` : dirtyDay})`;
}
