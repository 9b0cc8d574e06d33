import { type SQL, sql } from "drizzle-orm";
import type { QueryPlan } from "../plan/plan-types.ts";
import { dirtyMinutes, FIRST_MINUTE } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { intervalsOf } from "./slots.ts";

/** Hours or minutes (SQL, a column `at`), those that follow each other as one range (lo, hi). */
export function joinedUnits(unit: "hour" | "minute", units: SQL): SQL {
  const length = sql.raw(`interval '1 ${unit}'`);
  return sql`
    select min(at) as lo, max(at) + ${length} as hi
    from (
      select at, at - row_number() over (order by at) * ${length} as run
      from (${units}) units
    ) numbered
    group by run`;
}

/**
 * CTEs of the newest hours, which still change:
 * - `asked_minutes`: what of them neither days nor hours answer;
 * - `minute_pieces`: the same without what the clock of the database no longer calls new.
 * @param markedHours their hours with a mark (SQL, a column `at`)
 * @param ofQuarters what quarters leave to minutes (SQL that begins with UNION ALL)
 */
export function minuteTables(
  { workspaceId, pieces }: QueryPlan,
  recent: TimeRange,
  markedHours: SQL,
  ofQuarters: SQL,
): SQL {
  return sql`${dirtyMinutes(workspaceId, recent)},
  asked_minutes(lo, hi) as materialized (
    select lo, hi from ${intervalsOf(pieces.minute)}
    union all${joinedUnits("hour", markedHours)}${ofQuarters}
  ),
  minute_pieces(lo, hi) as materialized (
    select greatest(lo, ${FIRST_MINUTE}), hi from asked_minutes where hi > ${FIRST_MINUTE}
  )`;
}

/** Marked minutes of those pieces, and what is before them: ranges (lo, hi) for raw rows. */
export function rawMinutes(): SQL {
  const marked = sql`
        select d.minute as at
        from dirty_minutes d
        where exists (select from minute_pieces s where d.minute >= s.lo and d.minute < s.hi)`;
  return sql`
    select lo, least(hi, ${FIRST_MINUTE}) from asked_minutes where lo < ${FIRST_MINUTE}
    union all${joinedUnits("minute", marked)}`;
}
