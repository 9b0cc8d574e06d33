import { type SQL, sql } from "drizzle-orm";
import { HOUR_US } from "../../lib/time.ts";
import type { QueryPlan, TimeSlot } from "../plan/plan-types.ts";
import { dirtyHours, freshness, instantList } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { baseBy, basesOf, cellSums, measureSums, STAT_COLUMNS } from "./aggregates.ts";
import { commaList, nameList } from "./lists.ts";
import { standsAfter } from "./order.ts";
import { intervalsOf, pieceTables, rawScan, rollupScan, rowsInSlots } from "./scan.ts";

const keyNames = (plan: QueryPlan) => plan.groups.map((_, index) => `g${index}`);

/** Adds the rank of a row's group, if there are groups; everything past the limit has rank 0 and no group of its own, or is left out. */
function ranked(plan: QueryPlan, table: string): SQL {
  const row = sql`${sql.identifier(table)} r`;
  if (!plan.top) return sql`select r.* from ${row}`;
  const same = sql.join(
    keyNames(plan).map((name) => sql`k.${sql.identifier(name)} = r.${sql.identifier(name)}`),
    sql` and `,
  );
  const every = sql`select r.*, coalesce(k.rank, 0) as rank from ${row} left join top k on ${same}`;
  // An inner join would be looped over: the planner takes the best groups for a single one.
  return plan.withTotals ? every : sql`select * from (${every} offset 0) r where rank > 0`;
}

/**
 * The whole query as one statement, so that all it reads is one snapshot: rollups where they are valid, raw rows elsewhere.
 * Rows: one total for each period (bucket null); for a parted answer one for each (period, bucket, rank) with its group; and
 * one (period null) with as_of and what each source gave.
 */
export function queryStatement(plan: QueryPlan): SQL {
  const first = plan.slots[0]?.from ?? 0;
  const last = plan.slots.at(-1)?.to ?? 0;
  const ints = (of: (slot: TimeSlot) => number) => sql`${sql.param(plan.slots.map(of))}::int[]`;
  const keys = keyNames(plan);
  const groups = plan.top ? sql`, ${topGroups(plan, plan.top)}` : sql``;
  const labels = plan.top
    ? sql`array[${commaList(keys.map((name) => sql`t.${sql.identifier(name)}`))}, t.sort_value]`
    : sql`null`;
  const cellKeys = ["period", "out", ...keys];
  const kept = sql.raw(plan.top ? "materialized" : "not materialized");
  const bases = basesOf(plan);
  const how = {
    united: !plan.byStatus,
    once: plan.hasRows && !plan.withTotals && !plan.top && !plan.sketches,
  };
  const merged = bases.map(
    (base) =>
      sql`, ${sql.raw(base)}_unranked as ${sql.raw(how.once ? "not materialized" : "materialized")} (${baseBy(base, cellKeys, how)})`,
  );
  const rankedBases = bases.map(
    (base) => sql`${sql.raw(base)} as ${kept} (${ranked(plan, `${base}_unranked`)}), `,
  );
  const exact = plan.quantiles.length > 0 ? sql`raws as (${ranked(plan, "raw_rows")}), ` : sql``;
  const joinTop = plan.top ? sql` left join top t on t.rank = f.rank` : sql``;
  const fineKeys = ["period", "out", ...(plan.top ? ["rank"] : [])];
  return sql`with recursive
  slot as materialized (select ${instantList(plan.slots.map((slot) => slot.from))} as starts, ${ints((slot) => slot.bucket)} as buckets, ${ints((slot) => slot.period)} as periods,
    ${ints((slot) => slot.hourOfDay)} as hours, ${ints((slot) => slot.dayOfWeek)} as days),
  ${dirtyHours(plan.workspaceId, Math.floor(first / HOUR_US) * HOUR_US, last)},
  ${pieceTables(plan)},
  rollup_rows as materialized (${rowsInSlots(plan, rollupScan(plan))}),
  raw_rows as ${sql.raw(bases.length > 0 ? "materialized" : "not materialized")} (${rowsInSlots(plan, rawScan(plan))}),
  rolled as materialized (select unit, at from rollup_rows group by unit, at),
  cells_unranked as materialized (${cellSums(cellKeys, plan)})${sql.join(merged)}${groups},
  cells as ${kept} (${ranked(plan, "cells_unranked")}),
  ${sql.join(rankedBases)}${exact}
  ${plan.hasRows ? sql`groups as (${measureSums(fineKeys, plan, plan.top === undefined)}),` : sql``}
  total as (${measureSums(["period"], plan)})
  select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups, ${commaList(STAT_COLUMNS.map((name) => sql`null as ${sql.identifier(name)}`))}, ${meta(plan)} as meta
  ${plan.withTotals ? sql`union all select period, null, null, null, ${columns("total")}, null from total` : sql``}
  ${plan.hasRows ? sql`union all select f.period, f.out, ${plan.top ? sql`f.rank::int` : sql`0`}, ${labels}, ${columns("f")}, null from groups f${joinTop}` : sql``}
`;
}

const columns = (alias: string) =>
  commaList(STAT_COLUMNS.map((name) => sql`${sql.identifier(alias)}.${sql.identifier(name)}`));

/** Marks inside the pieces of the rollups. */
function marked(plan: QueryPlan): SQL {
  const { day, hour, quarter, fallback: beneath } = plan.pieces;
  const within = (name: string, column: string, over: readonly TimeRange[]) =>
    sql`(select coalesce(jsonb_agg(d.${sql.identifier(column)} order by d.${sql.identifier(column)}), '[]') from ${sql.identifier(name)} d join ${intervalsOf(over)} on d.${sql.identifier(column)} >= s.lo
      and d.${sql.identifier(column)} < s.hi)`;
  const withoutQuarters = sql`, 'days_without_quarters', (select coalesce(jsonb_agg(d.day order by d.day), '[]') from days_without_quarters d)`;
  return sql`, 'marked_days', ${within("dirty_days", "day", day)}, 'marked_hours', ${within("dirty_hours", "hour", [...day, ...hour, ...beneath.hour])}${quarter.length > 0 ? withoutQuarters : sql``}`;
}

/** What the answer is true for, and what each source gave. */
function meta(plan: QueryPlan): SQL {
  return sql`jsonb_build_object(${freshness(plan.workspaceId)},
    'daily', (select count(*) from rolled where unit = 'day'), 'hourly', (select count(*) from rolled where unit = 'hour'),
    'raw', (select coalesce(sum(raw_rows), 0) from cells_unranked)${plan.top?.count ? groupCount(plan) : sql``}${plan.explain ? marked(plan) : sql``})`;
}

function groupCount(plan: QueryPlan): SQL {
  const keys = nameList(keyNames(plan));
  return sql`, 'groups', (select count(*) from (select distinct ${keys} from cells_unranked where period = 0) all_groups)`;
}

/** The table that `ranked` makes a ranked one of. */
const unrankedName = (table: string) => (table === "raws" ? "raw_rows" : `${table}_unranked`);

/** The best groups of the asked range by the asked order; ties by the group's own name, so that a rank is stable. */
function topGroups(plan: QueryPlan, top: NonNullable<QueryPlan["top"]>): SQL {
  const keys = keyNames(plan);
  const order = top.by.map(
    ({ column, descending }) => sql`${column} ${sql.raw(descending ? "desc" : "asc")} nulls last`,
  );
  const [first] = top.by;
  const sort = first ? sql`(${first.column})::${sql.raw(first.type)}::text` : sql`null::text`;
  const after =
    first && top.after ? sql`where ${standsAfter(first, nameList(keys), top.after)}` : sql``;
  const tables = [
    "cells",
    ...basesOf(top.parts),
    ...(top.parts.quantiles.length > 0 ? ["raws"] : []),
  ];
  const asked = tables.map(
    (table) =>
      sql`${sql.identifier(table)} as (select * from ${sql.identifier(unrankedName(table))} where period = 0)`,
  );
  // Groups that only the compared range has are part of the rest.
  return sql`top as materialized (
    select * from (
      with ${commaList(asked)}
      select ${nameList(keys)}, ${sort} as sort_value, row_number() over (order by ${commaList([...order, nameList(keys)])}) as rank
      from (${measureSums(keys, top.parts)}) ranked_groups ${after}
    ) ranked where rank <= ${top.limit}
  )`;
}
