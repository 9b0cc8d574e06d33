import { type SQL, sql } from "drizzle-orm";
import { HOUR_US } from "../../lib/time.ts";
import { dirtyHours, freshness, times } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { baseBy, basesOf, cells, list, names, STAT_COLUMNS, stats } from "./aggregates.ts";
import { standsAfter } from "./order.ts";
import { intervals, type Plan, pieces, placed, rawRows, rollups, type Slot } from "./scan.ts";

const keyNames = (plan: Plan) => plan.groups.map((_, index) => `g${index}`);

/** Adds the rank of a row's group, if there are groups; everything past the limit has rank 0 and no group of its own, or is left out. */
function ranked(plan: Plan, table: string): SQL {
  const row = sql`${sql.identifier(table)} r`;
  if (!plan.top) return sql`select r.* from ${row}`;
  const same = sql.join(
    keyNames(plan).map((name) => sql`k.${sql.identifier(name)} = r.${sql.identifier(name)}`),
    sql` and `,
  );
  const every = sql`select r.*, coalesce(k.rank, 0) as rank from ${row} left join top k on ${same}`;
  // An inner join would be looped over: the planner takes the best groups for a single one.
  return plan.totalled ? every : sql`select * from (${every} offset 0) r where rank > 0`;
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
  const labels = plan.top
    ? sql`array[${list(keys.map((name) => sql`t.${sql.identifier(name)}`))}, t.sort_value]`
    : sql`null`;
  const cellKeys = ["period", "out", ...keys];
  const kept = sql.raw(plan.top ? "materialized" : "not materialized");
  const bases = basesOf(plan);
  const how = {
    united: !plan.byStatus,
    once: plan.parted && !plan.totalled && !plan.top && !plan.sketches,
  };
  const merged = bases.map(
    (base) =>
      sql`, ${sql.raw(base)}0 as ${sql.raw(how.once ? "not materialized" : "materialized")} (${baseBy(base, cellKeys, how)})`,
  );
  const rankedBases = bases.map(
    (base) => sql`${sql.raw(base)} as ${kept} (${ranked(plan, `${base}0`)}), `,
  );
  const exact = plan.quantiles.length > 0 ? sql`raws as (${ranked(plan, "raws0")}), ` : sql``;
  const joinTop = plan.top ? sql` left join top t on t.rank = f.rank` : sql``;
  const fineKeys = ["period", "out", ...(plan.top ? ["rank"] : [])];
  return sql`with recursive
  slot as materialized (select ${times(plan.slots.map((slot) => slot.from))} as starts, ${ints((slot) => slot.bucket)} as buckets, ${ints((slot) => slot.period)} as periods,
    ${ints((slot) => slot.hourOfDay)} as hours, ${ints((slot) => slot.dayOfWeek)} as days),
  ${dirtyHours(plan.workspaceId, Math.floor(first / HOUR_US) * HOUR_US, last)},
  ${pieces(plan)},
  rolls0 as materialized (${placed(plan, rollups(plan))}),
  raws0 as ${sql.raw(bases.length > 0 ? "materialized" : "not materialized")} (${placed(plan, rawRows(plan))}),
  rolled as materialized (select unit, at from rolls0 group by unit, at),
  cells0 as materialized (${cells(cellKeys, plan)})${sql.join(merged)}${groups},
  cells as ${kept} (${ranked(plan, "cells0")}),
  ${sql.join(rankedBases)}${exact}
  ${plan.parted ? sql`fine as (${stats(fineKeys, plan, plan.top === undefined)}),` : sql``}
  total as (${stats(["period"], plan)})
  select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups, ${list(STAT_COLUMNS.map((name) => sql`null as ${sql.identifier(name)}`))}, ${meta(plan)} as meta
  ${plan.totalled ? sql`union all select period, null, null, null, ${columns("total")}, null from total` : sql``}
  ${plan.parted ? sql`union all select f.period, f.out, ${plan.top ? sql`f.rank::int` : sql`0`}, ${labels}, ${columns("f")}, null from fine f${joinTop}` : sql``}
`;
}

const columns = (alias: string) =>
  list(STAT_COLUMNS.map((name) => sql`${sql.identifier(alias)}.${sql.identifier(name)}`));

/** Marks inside the pieces of the rollups. */
function marked(plan: Plan): SQL {
  const { day, hour, quarter, beneath } = plan.pieces;
  const within = (name: string, column: string, over: readonly TimeRange[]) =>
    sql`(select coalesce(jsonb_agg(d.${sql.identifier(column)} order by d.${sql.identifier(column)}), '[]') from ${sql.identifier(name)} d join ${intervals(over)} on d.${sql.identifier(column)} >= s.lo
      and d.${sql.identifier(column)} < s.hi)`;
  const unquartered = sql`, 'unquartered', (select coalesce(jsonb_agg(d.day order by d.day), '[]') from unquartered d)`;
  return sql`, 'marked_days', ${within("dirty_days", "day", day)}, 'marked_hours', ${within("dirty_hours", "hour", [...day, ...hour, ...beneath.hour])}${quarter.length > 0 ? unquartered : sql``}`;
}

/** What the answer is true for, and what each source gave. */
function meta(plan: Plan): SQL {
  return sql`jsonb_build_object(${freshness(plan.workspaceId)},
    'daily', (select count(*) from rolled where unit = 'day'), 'hourly', (select count(*) from rolled where unit = 'hour'),
    'raw', (select coalesce(sum(raw_rows), 0) from cells0)${plan.top?.count ? groupCount(plan) : sql``}${plan.explain ? marked(plan) : sql``})`;
}

function groupCount(plan: Plan): SQL {
  const keys = names(keyNames(plan));
  return sql`, 'groups', (select count(*) from (select distinct ${keys} from cells0 where period = 0) all_groups)`;
}

/** The best groups of the asked range by the asked order; ties by the group's own name, so that a rank is stable. */
function topGroups(plan: Plan, top: NonNullable<Plan["top"]>): SQL {
  const keys = keyNames(plan);
  const order = top.by.map(
    ({ column, descending }) => sql`${column} ${sql.raw(descending ? "desc" : "asc")} nulls last`,
  );
  const [first] = top.by;
  const sort = first ? sql`(${first.column})::${sql.raw(first.type)}::text` : sql`null::text`;
  const after =
    first && top.after ? sql`where ${standsAfter(first, names(keys), top.after)}` : sql``;
  const tables = [
    "cells",
    ...basesOf(top.parts),
    ...(top.parts.quantiles.length > 0 ? ["raws"] : []),
  ];
  const asked = tables.map(
    (table) =>
      sql`${sql.identifier(table)} as (select * from ${sql.identifier(`${table}0`)} where period = 0)`,
  );
  // Groups that only the compared range has are part of the rest.
  return sql`top as materialized (
    select * from (
      with ${list(asked)}
      select ${names(keys)}, ${sort} as sort_value, row_number() over (order by ${list([...order, names(keys)])}) as rank
      from (${stats(keys, top.parts)}) ranked_groups ${after}
    ) ranked where rank <= ${top.limit}
  )`;
}
