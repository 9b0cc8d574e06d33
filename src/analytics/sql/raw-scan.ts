import { type SQL, sql } from "drizzle-orm";
import { keyInWorkspace } from "../../db/scope.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import { inRanges } from "../rollups/marks.ts";
import { commaList } from "./lists.ts";
import { inPiece, piecesOf } from "./pieces.ts";
import { groupColumns, slotIndex } from "./slots.ts";

const SUMMED_COLUMNS = ["credits", "tokens_in", "tokens_out"] as const;

/**
 * Raw rows of the pieces that no rollup may answer: what only they can cut, and every hour (or day)
 * with a mark.
 */
export function rawScan(plan: QueryPlan): SQL {
  const needsDurations =
    plan.sketches ||
    plan.quantiles.length > 0 ||
    plan.sums.some((name) => name.startsWith("duration"));
  const columns = [
    sql`${slotIndex(plan, sql`e.started_at`)} as slot`,
    ...groupColumns(plan, (of) => of("e")),
    sql`e.status`,
    ...(plan.sums.includes("errors") ? [sql`(e.error_type is not null)::int as errors`] : []),
    ...(needsDurations
      ? [sql`case when e.status <> 'running' then e.duration_ms end as duration_ms`]
      : []),
    ...SUMMED_COLUMNS.filter((name) => plan.sums.includes(name)).map(
      (name) => sql`e.${sql.identifier(name)}`,
    ),
    ...(plan.users ? [sql`e.user_id`] : []),
    ...(plan.agents ? [sql`e.agent_id`] : []),
  ];
  const filters = plan.filters.map((filter) => sql`\n        and ${filter("e", false)}`);
  // As for rollups: one index range a piece, also when a filter has an index of its own.
  return sql`
    select ${commaList(columns)}
    from ${piecesOf("raw")}
    cross join lateral (
      select e.* from executions e
      where ${keyInWorkspace(plan.workspaceId, "e")}
        and ${inPiece("e.started_at")}
        and ${inRanges(sql`e.started_at`, plan.slots)}${sql.join(filters)}
      offset 0
    ) e`;
}
