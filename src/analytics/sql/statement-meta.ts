import { type SQL, sql } from "drizzle-orm";
import type { QueryPlan } from "../plan/plan-types.ts";
import { FIRST_MINUTE, freshnessPairs } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { liesIn } from "./pieces.ts";
import { groupCount } from "./top-groups.ts";

/** What the answer is true for, and what each source gave (result/meta-row.ts reads it). */
export function statementMeta(plan: QueryPlan): SQL {
  const count = plan.top?.count ? sql`,\n    ${groupCount(plan)}` : sql``;
  const marks = plan.explain ? sql`,\n    ${marksOfPieces(plan)}` : sql``;
  return sql`jsonb_build_object(
    ${freshnessPairs(plan.workspaceId)},
    'daily', (select count(*) from rolled where unit = 'day'),
    'hourly', (select count(*) from rolled where unit = 'hour'),
    'raw', (select coalesce(sum(raw_rows), 0) from cells_unranked)${count}${marks}
  )`;
}

/** Marks inside the pieces of the rollups: pairs of a JSON object. */
function marksOfPieces(plan: QueryPlan): SQL {
  const { day, hour, quarter, fallback, recent } = plan.pieces;
  const marks = (table: string, unit: string, pieces: readonly TimeRange[]) => {
    const bucket = sql`d.${sql.identifier(unit)}`;
    return sql`(
      select coalesce(jsonb_agg(${bucket} order by ${bucket}), '[]')
      from ${sql.identifier(table)} d
      where ${liesIn(bucket, pieces)}
    )`;
  };
  const withoutQuarters = sql`,
    'days_without_quarters', (
      select coalesce(jsonb_agg(d.day order by d.day), '[]') from days_without_quarters d
    )`;
  const minutes = sql`,
    'first_minute', ${FIRST_MINUTE},
    'marked_minutes', (
      select coalesce(jsonb_agg(d.minute order by d.minute), '[]') from dirty_minutes d
    )`;
  return sql`'marked_days', ${marks("dirty_days", "day", day)},
    'marked_hours', ${marks("dirty_hours", "hour", [...day, ...hour, ...fallback.hour])}${
      quarter.length > 0 ? withoutQuarters : sql``
    }${recent ? minutes : sql``}`;
}
