import { type SQL, sql } from "drizzle-orm";
import type { QueryPlan } from "../plan/plan-types.ts";
import { freshnessPairs } from "../rollups/marks.ts";
import { piecePairs } from "./pieces.ts";
import { groupCount } from "./top-groups.ts";

/** The validity of the answer, and the share of each source (result/meta-row.ts reads it). */
export function statementMeta(plan: QueryPlan): SQL {
  const count = plan.top?.count ? sql`,\n    ${groupCount(plan)}` : sql``;
  const pieces = plan.explain ? sql`,\n    ${piecePairs(plan)}` : sql``;
  return sql`jsonb_build_object(
    ${freshnessPairs(plan.workspaceId)},
    'daily', (select count(*) from rolled where unit = 'day'),
    'hourly', (select count(*) from rolled where unit = 'hour'),
    'raw', (select coalesce(sum(raw_rows), 0) from cells_unranked)${count}${pieces}
  )`;
}
