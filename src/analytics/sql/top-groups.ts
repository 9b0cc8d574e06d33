import { type SQL, sql } from "drizzle-orm";
import type { QueryPlan } from "../plan/plan-types.ts";
import { commaList, nameList } from "./lists.ts";
import { measureSums } from "./measure-sums.ts";
import { standsAfter } from "./order.ts";
import { basesOf } from "./query-parts.ts";

/** Columns of the groups in every table: `g0`, `g1`, … */
export const groupKeys = (plan: QueryPlan) => plan.groups.map((_, index) => `g${index}`);

/**
 * Rows of a table with the rank of their group, if there are groups. A group past the limit has
 * rank 0 and no row of its own, or is left out.
 */
export function rankedRows(plan: QueryPlan, table: string): SQL {
  const rows = sql`${sql.identifier(table)} r`;
  if (!plan.top) return sql`select r.* from ${rows}`;
  const same = sql.join(
    groupKeys(plan).map((name) => sql`k.${sql.identifier(name)} = r.${sql.identifier(name)}`),
    sql` and `,
  );
  const every = sql`select r.*, coalesce(k.rank, 0) as rank
    from ${rows}
    left join top k on ${same}`;
  if (plan.withTotals) return every;
  // An inner join would be looped over: the planner takes the best groups for a single one.
  return sql`select * from (
    ${every}
    offset 0
  ) r
  where rank > 0`;
}

/** The table that `rankedRows` makes a ranked one of. */
const unrankedName = (table: string) => (table === "raws" ? "raw_rows" : `${table}_unranked`);

/**
 * The CTE `top`: the best groups of the asked range by the asked order. Ties go by the group's own
 * name, so that a rank is stable.
 */
export function topGroups(plan: QueryPlan, top: NonNullable<QueryPlan["top"]>): SQL {
  const keys = groupKeys(plan);
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
  // Groups that only the compared range has are part of the rest.
  const asked = tables.map(
    (table) => sql`${sql.identifier(table)} as (
        select * from ${sql.identifier(unrankedName(table))} where period = 0
      )`,
  );
  return sql`top as materialized (
    select * from (
      with ${commaList(asked)}
      select ${nameList(keys)}, ${sort} as sort_value,
        row_number() over (order by ${commaList([...order, nameList(keys)])}) as rank
      from (${measureSums(keys, top.parts)}) ranked_groups
      ${after}
    ) ranked
    where rank <= ${top.limit}
  )`;
}

/** The number of groups in the asked range: a pair of a JSON object. */
export function groupCount(plan: QueryPlan): SQL {
  return sql`'groups', (
      select count(*) from (
        select distinct ${nameList(groupKeys(plan))} from cells_unranked where period = 0
      ) all_groups
    )`;
}
