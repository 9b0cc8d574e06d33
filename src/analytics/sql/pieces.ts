import { type SQL, sql } from "drizzle-orm";
import { instantList, withinRange } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US } from "../../lib/time.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import type { TimeRange } from "../time/time-range.ts";
import { joinedUnits, minuteTables, rawMinutes } from "./minute-pieces.ts";
import { intervalsOf } from "./slots.ts";

/** The days (UTC) that pieces touch. */
function daysOf(pieces: readonly TimeRange[]): number[] {
  const days = new Set<number>();
  for (const { from, to } of pieces)
    for (let day = Math.floor(from / DAY_US) * DAY_US; day < to; day += DAY_US) days.add(day);
  return [...days];
}

/**
 * The CTE `days_without_quarters`: of the days of pieces, those marked or never rolled up. Each is
 * looked up: without `offset 0` all days of the workspace may be hashed instead.
 */
function daysWithoutQuarters({ workspaceId, pieces }: QueryPlan): SQL {
  return sql`days_without_quarters as materialized (
    select d.day from unnest(${instantList(daysOf(pieces.quarter))}) d(day)
    where d.day in (select day from dirty_days)
      or not exists (
        select from execution_quarters_daily q
        where ${inWorkspace(workspaceId, "q")} and q.grain = 'total' and q.bucket = d.day
        offset 0
      )
  )`;
}

/** The pieces cut at the ends of UTC days. */
function cutByDays(pieces: readonly TimeRange[]): TimeRange[] {
  const cut: TimeRange[] = [];
  for (const { from, to } of pieces)
    for (let start = from; start < to; ) {
      const end = Math.min(to, (Math.floor(start / DAY_US) + 1) * DAY_US);
      cut.push({ from: start, to: end });
      start = end;
    }
  return cut;
}

/** What of the pieces lies in days without quarters. */
const overlaps = (pieces: readonly TimeRange[]) => sql`
    union all
    select lo, hi from ${intervalsOf(cutByDays(pieces))}
    where date_trunc('day', s.lo, 'UTC') in (select day from days_without_quarters)`;

/**
 * Whether a moment (SQL) lies in disjoint pieces. It is looked up, not joined: years of marks in
 * years of pieces would be as many pairs as their product.
 */
export function liesIn(moment: SQL, pieces: readonly TimeRange[]): SQL {
  const ordered = [...pieces].sort((a, b) => a.from - b.from);
  const starts = instantList(ordered.map(({ from }) => from));
  const ends = instantList(ordered.map(({ to }) => to));
  return sql`${moment} < (${ends})[width_bucket(${moment}, ${starts})]`;
}

/** Hours with a mark that lie in pieces of hours: a column `at`. */
function markedHours({ pieces }: QueryPlan): SQL {
  const { day, hour, fallback } = pieces;
  return sql`
        select d.hour as at
        from dirty_hours d
        where ${liesIn(sql`d.hour`, [...day, ...hour, ...fallback.hour])}`;
}

/** What raw rows answer beside the pieces that are theirs, as SQL of ranges (lo, hi). */
function fallenToRaw(plan: QueryPlan): SQL {
  const { quarter, fallback, recent } = plan.pieces;
  const marked = markedHours(plan);
  const rest = quarter.length > 0 ? overlaps(fallback.raw) : sql``;
  if (!recent) return sql`${joinedUnits("hour", marked)}${rest}`;
  const old = sql`${marked} and not (${withinRange(sql`d.hour`, recent)})`;
  return sql`${joinedUnits("hour", old)}${rest}
    union all${rawMinutes()}`;
}

/**
 * CTEs from the marks:
 * - `days_without_quarters`: days whose quarters cannot answer;
 * - `fallback_hours`: what hourly rows answer in place of days and quarters;
 * - `minute_pieces`: what minutes answer in place of the newest hours, and with them;
 * - `raw_pieces`: what raw rows answer.
 */
export function pieceTables(plan: QueryPlan): SQL {
  const { day, quarter, raw, fallback, recent } = plan.pieces;
  const hasQuarters = quarter.length > 0;
  const markedDays = sql`
    select d.day as lo, d.day + interval '24 hours' as hi
    from dirty_days d
    where ${liesIn(sql`d.day`, day)}`;
  const none = sql`select null::timestamptz as lo, null::timestamptz as hi where false`;
  const quarters = hasQuarters ? sql`${daysWithoutQuarters(plan)},\n  ` : sql``;
  const hours = hasQuarters ? overlaps(fallback.hour) : sql``;
  const newest = recent && sql`${markedHours(plan)} and ${withinRange(sql`d.hour`, recent)}`;
  const ofQuarters = hasQuarters ? overlaps(fallback.minute) : sql``;
  const minutes = newest ? sql`,\n  ${minuteTables(plan, recent, newest, ofQuarters)}` : sql``;
  // Without hourly rows for these dimensions a marked day is read raw as a whole.
  const hasHours = plan.source.hourly !== undefined;
  return sql`${quarters}fallback_hours(lo, hi) as materialized (${
    hasHours ? sql`${markedDays}${hours}` : none
  })${minutes},
  raw_pieces(lo, hi) as materialized (
    select lo, hi from ${intervalsOf(raw)}
    union all ${hasHours ? fallenToRaw(plan) : markedDays}
  )`;
}
