import { type SQL, sql } from "drizzle-orm";
import { instantList } from "../../db/instants.ts";
import type { QueryPlan, TimeSlot } from "../plan/plan-types.ts";
import { haveUserSets } from "../plan/rollup-choice.ts";
import { cellSums } from "./cell-sums.ts";
import { commaList } from "./lists.ts";
import { measureParts, measureSums, statColumns } from "./measure-sums.ts";
import { baseBy } from "./merged-bases.ts";
import { pieceTables } from "./pieces.ts";
import { basesOf, type MergedBase } from "./query-parts.ts";
import { rawScan } from "./raw-scan.ts";
import { rollupScan } from "./rollup-scan.ts";
import { rowsInSlots } from "./slots.ts";
import { statementMeta } from "./statement-meta.ts";
import { groupKeys, rankedRows, topGroups } from "./top-groups.ts";

/**
 * The whole query as one statement, so that all it reads is one snapshot: rollups where they are
 * valid, raw rows elsewhere. Its rows are:
 * - the total of each period (bucket null), in parts that have columns of their own;
 * - with buckets or groups, one for each period, bucket and rank, with its group;
 * - one with period null: `as_of`, and what each source gave.
 */
export function queryStatement(plan: QueryPlan): SQL {
  return sql`with
  ${inputTables(plan)},
  ${sumTables(plan)},
  ${resultTables(plan)}
  ${metaRows(plan)}
  ${totalRows(plan)}
  ${groupRows(plan)}`;
}

const cellKeys = (plan: QueryPlan) => ["period", "out", ...groupKeys(plan)];

/** Whether each base is read once and by the very keys that it is merged by. */
const isReadOnce = ({ hasRows, withTotals, top, sketches }: QueryPlan) =>
  hasRows && !withTotals && !top && !sketches;

/** CTEs: the slots, what the marks leave to which source, and the rows that are read. */
function inputTables(plan: QueryPlan): SQL {
  const integers = (of: (slot: TimeSlot) => number) => sql`${sql.param(plan.slots.map(of))}::int[]`;
  const kept = sql.raw(basesOf(plan).length > 0 ? "materialized" : "not materialized");
  return sql`slot as materialized (
    select ${instantList(plan.slots.map((slot) => slot.from))} as starts,
      ${integers((slot) => slot.bucket)} as buckets,
      ${integers((slot) => slot.period)} as periods,
      ${integers((slot) => slot.hourOfDay)} as hours,
      ${integers((slot) => slot.dayOfWeek)} as days
  ),
  ${pieceTables(plan)},
  rollup_rows as materialized (${rowsInSlots(plan, rollupScan(plan))}),
  raw_rows as ${kept} (${rowsInSlots(plan, rawScan(plan))}),
  rolled as materialized (select unit, at from rollup_rows group by unit, at)`;
}

/** CTEs: sums by period, bucket and group, what sums do not hold, and the best groups. */
function sumTables(plan: QueryPlan): SQL {
  const { workspaceId, source } = plan;
  const how = {
    workspaceId,
    haveUserSets: haveUserSets(source),
    packed: plan.packed,
    mergedStatuses: !plan.byStatus,
    readOnce: isReadOnce(plan),
  };
  const kept = sql.raw(how.readOnce ? "not materialized" : "materialized");
  const table = (base: MergedBase) => sql`,
  ${sql.raw(base)}_unranked as ${kept} (${baseBy(base, cellKeys(plan), how)})`;
  const groups = plan.top
    ? sql`,
  ${topGroups(plan, plan.top)}`
    : sql``;
  return sql`cells_unranked as materialized (${cellSums(cellKeys(plan), plan)})${sql.join(
    basesOf(plan).map(table),
  )}${groups}`;
}

/** CTEs: the same by rank of the group, and the results of groups and of the whole. */
function resultTables(plan: QueryPlan): SQL {
  const kept = sql.raw(plan.top ? "materialized" : "not materialized");
  const ranked = (table: string) => rankedRows(plan, table);
  const bases = basesOf(plan).map(
    (base) => sql`,
  ${sql.raw(base)} as ${kept} (${ranked(`${base}_unranked`)})`,
  );
  const raws = sql`,
  raws as (${ranked("raw_rows")})`;
  const keys = ["period", "out", ...(plan.top ? ["rank"] : [])];
  const groups = sql`,
  groups as (${measureSums(keys, plan, plan.top === undefined)})`;
  return sql`cells as ${kept} (${ranked("cells_unranked")})${sql.join(bases)}${
    plan.quantiles.length > 0 ? raws : sql``
  }${plan.hasRows ? groups : sql``}`;
}

const columnsOf = (alias: string, plan: QueryPlan) =>
  sql.raw(
    statColumns(plan)
      .map((name) => `${alias}.${name}`)
      .join(", "),
  );

function metaRows(plan: QueryPlan): SQL {
  return sql`select null::int as period, null::int as bucket, null::int as rank,
    null::text[] as groups,
    ${sql.raw(
      statColumns(plan)
        .map((name) => `null as ${name}`)
        .join(", "),
    )},
    ${statementMeta(plan)} as meta`;
}

/** The parts of the totals: what is found apart is put together by its reader (result/found-rows.ts). */
function totalRows(plan: QueryPlan): SQL {
  if (!plan.withTotals) return sql``;
  return sql`union all
  select period, null, null, null, ${columnsOf("total", plan)}, null
  from (${measureParts(["period"], plan, !plan.hasRows)}
  ) total`;
}

function groupRows(plan: QueryPlan): SQL {
  if (!plan.hasRows) return sql``;
  if (!plan.top)
    return sql`union all
  select f.period, f.out, 0, null, ${columnsOf("f", plan)}, null
  from groups f`;
  const group = groupKeys(plan).map((name) => sql`t.${sql.identifier(name)}`);
  return sql`union all
  select f.period, f.out, f.rank::int, array[${commaList(group)}, t.sort_value],
    ${columnsOf("f", plan)}, null
  from groups f
  left join top t on t.rank = f.rank`;
}
