import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../db/scope.ts";
import { HOUR_US } from "../lib/time.ts";
import { dirtyHours, freshness, times } from "./marks.ts";
import { type Order, type Position, standsAfter } from "./order.ts";
import type { TimeRange } from "./range.ts";
import type { Grain, Pieces, Source } from "./source.ts";
import { baseBy, basesOf, cells, list, names, type Parts, STAT_COLUMNS, SUMS, stats } from "./stats.ts";

/** One local bucket of the compared or the asked range, and what its rows count for. */
export interface Slot extends TimeRange {
  /** Index of the answer's bucket. */
  bucket: number;
  /** 0: the asked range; 1: the one it is compared with. */
  period: 0 | 1;
  hourOfDay: number;
  dayOfWeek: number;
}

export interface Group {
  name: string;
  /** Text over a raw row or a rollup row; `alias` names the row, `slot` is the index of its bucket. Never null. */
  text(alias: string, slot: SQL): SQL;
}

/** A query with every name resolved: what the statement is made of. */
export interface Plan extends Parts {
  workspaceId: string;
  slots: Slot[];
  source: Source;
  pieces: Pieces;
  groups: Group[];
  /** Whether the answer shall say which source answered each piece. */
  explain: boolean;
  /** Whether a filter or a group tells statuses apart. */
  byStatus: boolean;
  /** Whether the answer has rows beside its totals: buckets or groups. */
  parted: boolean;
  /** Predicates over a row of the given alias. */
  filters: ((alias: string, rollup: boolean) => SQL)[];
  /** Whether the totals are asked for. */
  totalled: boolean;
  /** The groups that keep their own row; the rest becomes one row. Absent without groups. */
  top: { by: Order[]; parts: Parts; limit: number; after: Position | undefined; count: boolean } | undefined;
}

const intervals = (list: readonly TimeRange[]) =>
  sql`unnest(${times(list.map((piece) => piece.from))}, ${times(list.map((piece) => piece.to))}) as s(lo, hi)`;

const keyNames = (plan: Plan) => plan.groups.map((_, index) => `g${index}`);

const slotOf = (column: SQL) => sql`width_bucket(${column}, (select starts from slot))`;

/** Rows of one rollup table over the given intervals. */
function rollupRows(plan: Plan, grain: Grain, unit: "day" | "hour", over: SQL, clean: SQL): SQL {
  const row = sql.identifier(grain.table);
  const grainOf = grain.table === "user_activity_daily" ? sql`true` : sql`${row}.grain = ${grain.grain}`;
  const users = grain.grain === "user" ? sql`array[${row}.user_id]` : sql`${row}.user_ids`;
  const agents = grain.dimensions.includes("agent") ? sql`array[${row}.agent_id]` : sql`${row}.agent_ids`;
  // The row of status '' unites all statuses: it alone is read for sketches and sets, unless the statuses are asked apart. It has no sums.
  const united = (column: SQL) => (plan.byStatus ? column : sql`case when ${row}.status = '' then ${column} end`);
  const apart = plan.byStatus || basesOf(plan).length === 0 ? sql` and ${row}.status <> ''` : sql``;
  const columns = [
    sql`${sql.raw(`'${unit}'`)} as unit`,
    sql`${row}.bucket as at`,
    sql`${slotOf(sql`${row}.bucket`)} as slot`,
    ...plan.groups.map((group, index) => sql`${group.text(grain.table, slotOf(sql`${row}.bucket`))} as ${sql.identifier(`g${index}`)}`),
    sql`${row}.status, ${row}.executions`,
    ...plan.sums.map((name) => sql`${row}.${sql.identifier(name)}`),
    ...(plan.quantiles.length > 0 || plan.sketches
      ? [sql`${united(sql`sketch_keys`)} as sketch_keys, ${united(sql`sketch_counts`)} as sketch_counts`]
      : []),
    ...(plan.users ? [sql`${united(users)} as users`] : []),
    ...(plan.agents ? [sql`${united(agents)} as agents`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter(grain.table, true)}`);
  // One index range a piece: `offset 0` keeps the planner from reading all of the workspace's rows instead.
  return sql`select ${list(columns)} from ${over} cross join lateral (
      select ${row}.* from ${row} where ${inWorkspace(plan.workspaceId, grain.table)} and ${grainOf}
        and ${row}.bucket >= s.lo and ${row}.bucket < s.hi${apart}${sql.join(filters)} offset 0
    ) ${row} where ${clean}`;
}

function rollups(plan: Plan): SQL {
  const { daily, hourly } = plan.source;
  const parts: SQL[] = [];
  if (daily && plan.pieces.day.length > 0) {
    const clean = sql`not exists (select from dirty_days d where d.day = ${sql.identifier(daily.table)}.bucket)`;
    parts.push(rollupRows(plan, daily, "day", intervals(plan.pieces.day), clean));
  }
  if (hourly) {
    const clean = sql`not exists (select from dirty_hours d where d.hour = ${sql.identifier(hourly.table)}.bucket)`;
    const over = sql`(select lo, hi from ${intervals(plan.pieces.hour)} union all select lo, hi from dirty_day_pieces) as s`;
    parts.push(rollupRows(plan, hourly, "hour", over, clean));
  }
  if (parts.length === 0) return emptyRollups(plan);
  return sql.join(parts, sql` union all `);
}

/** The same columns without a row: no rollup keeps the asked dimensions apart. */
function emptyRollups(plan: Plan): SQL {
  const columns = [
    sql`null::text as unit, null::timestamptz as at, null::int as slot`,
    ...plan.groups.map((_, index) => sql`null::text as ${sql.identifier(`g${index}`)}`),
    sql`null::text as status, null::bigint as executions`,
    ...plan.sums.map((name) => sql.raw(`null::${SUMS[name].type} as ${name}`)),
    ...(plan.quantiles.length > 0 || plan.sketches ? [sql`null::int[] as sketch_keys, null::int[] as sketch_counts`] : []),
    ...(plan.users ? [sql`null::text[] as users`] : []),
    ...(plan.agents ? [sql`null::text[] as agents`] : []),
  ];
  return sql`select ${list(columns)} where false`;
}

/** Raw rows of the pieces no rollup may answer: what only they can cut, and every hour (or day) with a mark. */
function rawRows(plan: Plan): SQL {
  const durations = plan.sketches || plan.quantiles.length > 0 || plan.sums.some((name) => name.startsWith("duration"));
  const columns = [
    sql`${slotOf(sql`e.started_at`)} as slot`,
    ...plan.groups.map((group, index) => sql`${group.text("e", slotOf(sql`e.started_at`))} as ${sql.identifier(`g${index}`)}`),
    sql`e.status`,
    ...(plan.sums.includes("errors") ? [sql`(e.error_type is not null)::int as errors`] : []),
    ...(durations ? [sql`case when e.status <> 'running' then e.duration_ms end as duration_ms`] : []),
    ...(["credits", "tokens_in", "tokens_out"] as const)
      .filter((name) => plan.sums.includes(name))
      .map((name) => sql`e.${sql.identifier(name)}`),
    ...(plan.users ? [sql`e.user_id`] : []),
    ...(plan.agents ? [sql`e.agent_id`] : []),
  ];
  const filters = plan.filters.map((filter) => sql` and ${filter("e", false)}`);
  // As for rollups: one index range a piece, also when a filter has an index of its own.
  return sql`select ${list(columns)} from raw_pieces s cross join lateral (select e.* from executions e where ${inWorkspace(plan.workspaceId, "e")}
    and e.started_at >= s.lo and e.started_at < s.hi${sql.join(filters)} offset 0) e`;
}

function pieces(plan: Plan): SQL {
  const dirtyDay = sql`select d.day as lo, d.day + interval '24 hours' as hi from ${intervals(plan.pieces.day)} join dirty_days d on d.day >= s.lo and d.day < s.hi`;
  const dirtyHour = sql`select d.hour, d.hour + interval '1 hour' from covered s join dirty_hours d on d.hour >= s.lo and d.hour < s.hi`;
  // Without hourly rows for these dimensions a marked day is read raw as a whole.
  const [hours, rest] = plan.source.hourly
    ? [dirtyDay, dirtyHour]
    : [sql`select null::timestamptz as lo, null::timestamptz as hi where false`, dirtyDay];
  return sql`dirty_day_pieces(lo, hi) as materialized (${hours}),
    covered(lo, hi) as (select lo, hi from ${intervals([...plan.pieces.day, ...plan.pieces.hour])}),
    raw_pieces(lo, hi) as materialized (select lo, hi from ${intervals(plan.pieces.raw)} union all ${rest})`;
}

/** Rows with the period and the bucket of their slot. */
const placed = (rows: SQL) =>
  sql`select r.*, (select periods from slot)[r.slot] as period, (select buckets from slot)[r.slot] as out from (${rows} offset 0) r`;

/** Adds the rank of a row's group; everything past the limit has rank 0 and no group of its own. */
function ranked(plan: Plan, table: string): SQL {
  const row = sql`${sql.identifier(table)} r`;
  if (!plan.top) return sql`select r.*, 0 as rank from ${row}`;
  const same = sql.join(
    keyNames(plan).map((name) => sql`k.${sql.identifier(name)} = r.${sql.identifier(name)}`),
    sql` and `,
  );
  return sql`select r.*, coalesce(k.rank, 0) as rank from ${row} left join top k on ${same}`;
}

/**
 * The whole query as one statement, so that all it reads is one snapshot: rollups where they are valid, raw rows elsewhere.
 * Rows: one total for each period (bucket null); for a parted answer one for each (period, bucket, rank) with its group; and
 * one (period null) with as_of and what each source gave.
 */
export function compile(plan: Plan): SQL {
  const first = plan.slots[0]?.from ?? 0;
  const last = plan.slots.at(-1)?.to ?? 0;
  const ints = (of: (slot: Slot) => number) => sql`${sql.param(plan.slots.map(of))}::int[]`;
  const keys = keyNames(plan);
  const groups = plan.top ? sql`, ${topGroups(plan, plan.top)}` : sql``;
  const labels = plan.top ? sql`array[${list(keys.map((name) => sql`t.${sql.identifier(name)}`))}, t.sort_value]` : sql`null`;
  const cellKeys = ["period", "out", ...keys];
  const kept = sql.raw(plan.top ? "materialized" : "not materialized");
  const bases = basesOf(plan);
  const merged = bases.map((base) => sql`, ${sql.raw(base)}0 as materialized (${baseBy(base, cellKeys, !plan.byStatus)})`);
  const rankedBases = bases.map((base) => sql`${sql.raw(base)} as ${kept} (${ranked(plan, `${base}0`)}), `);
  const exact = plan.quantiles.length > 0 ? sql`raws as (${ranked(plan, "raws0")}), ` : sql``;
  const joinTop = plan.top ? sql` left join top t on t.rank = f.rank` : sql``;
  return sql`with recursive
  slot as materialized (select ${times(plan.slots.map((slot) => slot.from))} as starts, ${ints((slot) => slot.bucket)} as buckets, ${ints((slot) => slot.period)} as periods,
    ${ints((slot) => slot.hourOfDay)} as hours, ${ints((slot) => slot.dayOfWeek)} as days),
  ${dirtyHours(plan.workspaceId, Math.floor(first / HOUR_US) * HOUR_US, last)},
  ${pieces(plan)},
  rolls0 as materialized (${placed(rollups(plan))}),
  raws0 as ${sql.raw(bases.length > 0 ? "materialized" : "not materialized")} (${placed(rawRows(plan))}),
  cells0 as materialized (${cells(cellKeys, plan, plan.top !== undefined)})${sql.join(merged)}${groups},
  cells as ${kept} (${ranked(plan, "cells0")}),
  ${sql.join(rankedBases)}${exact}
  ${plan.parted ? sql`fine as (${stats(["period", "out", "rank"], plan, plan.top === undefined)}),` : sql``}
  total as (${stats(["period"], plan)})
  select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups, ${list(STAT_COLUMNS.map((name) => sql`null as ${sql.identifier(name)}`))}, ${meta(plan)} as meta
  ${plan.totalled ? sql`union all select period, null, null, null, ${columns("total")}, null from total` : sql``}
  ${plan.parted ? sql`union all select f.period, f.out, f.rank::int, ${labels}, ${columns("f")}, null from fine f${joinTop}` : sql``}
`;
}

const columns = (alias: string) => list(STAT_COLUMNS.map((name) => sql`${sql.identifier(alias)}.${sql.identifier(name)}`));

/** Marks inside the pieces of the rollups. */
function marked(plan: Plan): SQL {
  const within = (name: string, column: string, over: readonly TimeRange[]) =>
    sql`(select coalesce(jsonb_agg(d.${sql.identifier(column)} order by d.${sql.identifier(column)}), '[]') from ${sql.identifier(name)} d join ${intervals(over)} on d.${sql.identifier(column)} >= s.lo
      and d.${sql.identifier(column)} < s.hi)`;
  return sql`, 'marked_days', ${within("dirty_days", "day", plan.pieces.day)}, 'marked_hours', ${within("dirty_hours", "hour", [...plan.pieces.day, ...plan.pieces.hour])}`;
}

/** What the answer is true for, and what each source gave. */
function meta(plan: Plan): SQL {
  return sql`jsonb_build_object(${freshness(plan.workspaceId)},
    'daily', (select count(*) from (select distinct at from rolls0 where unit = 'day') days),
    'hourly', (select count(*) from (select distinct at from rolls0 where unit = 'hour') hours),
    'raw', (select coalesce(sum(raw_rows), 0) from cells0)${plan.top?.count ? groupCount(plan) : sql``}${plan.explain ? marked(plan) : sql``})`;
}

function groupCount(plan: Plan): SQL {
  const keys = names(keyNames(plan));
  return sql`, 'groups', (select count(*) from (select distinct ${keys} from cells0 where period = 0) all_groups)`;
}

/** The best groups of the asked range by the asked order; ties by the group's own name, so that a rank is stable. */
function topGroups(plan: Plan, top: NonNullable<Plan["top"]>): SQL {
  const keys = keyNames(plan);
  const order = top.by.map(({ column, descending }) => sql`${column} ${sql.raw(descending ? "desc" : "asc")} nulls last`);
  const [first] = top.by;
  const sort = first ? sql`(${first.column})::${sql.raw(first.type)}::text` : sql`null::text`;
  const after = first && top.after ? sql`where ${standsAfter(first, names(keys), top.after)}` : sql``;
  const tables = ["cells", ...basesOf(top.parts), ...(top.parts.quantiles.length > 0 ? ["raws"] : [])];
  const asked = tables.map((table) => sql`${sql.identifier(table)} as (select * from ${sql.identifier(`${table}0`)} where period = 0)`);
  // Groups that only the compared range has are part of the rest.
  return sql`top as materialized (
    select * from (
      with ${list(asked)}
      select ${names(keys)}, ${sort} as sort_value, row_number() over (order by ${list([...order, names(keys)])}) as rank
      from (${stats(keys, top.parts)}) ranked_groups ${after}
    ) ranked where rank <= ${top.limit}
  )`;
}
