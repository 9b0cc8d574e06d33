import { type SQL, sql } from "drizzle-orm";
import { instantList, instantRanges } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { DAY_US, HOUR_US } from "../../lib/time.ts";
import type { QueryPlan } from "../plan/plan-types.ts";
import { FIRST_MINUTE, markedRanges } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";

/** The sources of an answer, and names of the columns of `pieces`. */
export type PieceSource = "day" | "quarter" | "hour" | "minute" | "raw";

/** The pieces of a source as a table `s(piece)`. */
export const piecesOf = (source: PieceSource): SQL =>
  sql.raw(`unnest((select ${source} from pieces)) as s(piece)`);

/** Predicate: the column lies in the piece of `piecesOf`. */
export const inPiece = (column: string): SQL =>
  sql.raw(`${column} >= lower(s.piece) and ${column} < upper(s.piece)`);

/** The days (UTC) that pieces touch. */
function daysOf(pieces: readonly TimeRange[]): number[] {
  const days = new Set<number>();
  for (const { from, to } of pieces)
    for (let day = Math.floor(from / DAY_US) * DAY_US; day < to; day += DAY_US) days.add(day);
  return [...days];
}

/** The days of ranges (SQL), whole. */
const wholeDays = (ranges: SQL) => sql`(
      select range_agg(tstzrange(
        date_trunc('day', lower(r), 'UTC'),
        date_trunc('day', upper(r) - interval '1 microsecond', 'UTC') + interval '24 hours'
      ))
      from unnest(${ranges}) r
    )`;

/** The CTE `marked`: what has a mark, as ranges of days, hours and minutes; days with a marked hour too. */
function markedTable({ workspaceId, slots, pieces: { recent } }: QueryPlan): SQL {
  const from = Math.floor((slots[0]?.from ?? 0) / HOUR_US) * HOUR_US;
  const to = slots.at(-1)?.to ?? 0;
  const days = { from: Math.floor(from / DAY_US) * DAY_US, to };
  return sql`marked as materialized (
    select hours, minutes, days + coalesce(${wholeDays(sql`hours`)}, '{}') as days
    from (
      select ${markedRanges(workspaceId, "day", days)} as days,
        ${markedRanges(workspaceId, "hour", { from, to })} as hours,
        ${recent ? markedRanges(workspaceId, "minute", recent) : instantRanges([])} as minutes
      offset 0
    ) m
  )`;
}

/**
 * The CTE `unquartered`: of the days of pieces, those marked or never rolled up by quarters. Each
 * is looked up: without `offset 0` all days of the workspace may be hashed instead.
 */
function unquarteredTable({ workspaceId, pieces }: QueryPlan): SQL {
  return sql`unquartered as materialized (
    select coalesce(range_agg(tstzrange(d.day, d.day + interval '24 hours')), '{}') as days
    from unnest(${instantList(daysOf(pieces.quarter))}) d(day)
    where d.day <@ (select days from marked)
      or not exists (
        select from execution_quarters_daily q
        where ${inWorkspace(workspaceId, "q")} and q.grain = 'total' and q.bucket = d.day
        offset 0
      )
  )`;
}

/** Where hours stand in for days with a mark, and minutes for the newest hours. */
function withHours({ pieces, source }: QueryPlan): SQL {
  const { day, hour, quarter, minute, raw, fallback, recent } = pieces;
  const hasQuarters = source.quarterly !== undefined && quarter.length > 0;
  const fallen = (ranges: readonly TimeRange[]) =>
    hasQuarters ? sql` + ${instantRanges(ranges)} * u.days` : sql``;
  const newest = instantRanges(recent ? [recent] : []);
  const minutes = sql`tstzmultirange(tstzrange(${FIRST_MINUTE}, null))`;
  return sql`
    select ${instantRanges(day)} - m.days as day,
      ${hasQuarters ? sql`${instantRanges(quarter)} - u.days` : instantRanges([])} as quarter,
      a.hours - m.hours as hour,
      b.minutes * ${minutes} - m.minutes as minute,
      ${instantRanges(raw)}${fallen(fallback.raw)}
        + (a.hours * m.hours - ${newest})
        + (b.minutes - ${minutes})
        + b.minutes * ${minutes} * m.minutes as raw
    from marked m${hasQuarters ? sql` cross join unquartered u` : sql``}
    cross join lateral (
      select ${instantRanges(hour)} + ${instantRanges(day)} * m.days${fallen(fallback.hour)} as hours
    ) a
    cross join lateral (
      select ${instantRanges(minute)} + a.hours * m.hours * ${newest}${fallen(fallback.minute)}
        as minutes
    ) b`;
}

/** Without hourly rows for these dimensions a marked day is read raw as a whole. */
const withoutHours = ({ pieces: { day, raw } }: QueryPlan) => sql`
    select ${instantRanges(day)} - m.days as day,
      ${instantRanges(raw)} + ${instantRanges(day)} * m.days as raw
    from marked m`;

/**
 * The CTE `pieces` (one row), and what it is made of: which ranges each source answers. A mark
 * leaves its day to hours, its hour to minutes where it is new, and its minute to raw rows.
 */
export function pieceTables(plan: QueryPlan): SQL {
  const { daily, hourly, quarterly } = plan.source;
  const { quarter, raw } = plan.pieces;
  if (!daily && !hourly)
    return sql`pieces as materialized (
    select ${instantRanges(raw)} as raw
  )`;
  const quarters = quarterly && quarter.length > 0 ? sql`${unquarteredTable(plan)},\n  ` : sql``;
  return sql`${markedTable(plan)},
  ${quarters}pieces as materialized (${hourly ? withHours(plan) : withoutHours(plan)}
  )`;
}

/** The pieces of every source: a pair of a JSON object. */
export function piecePairs({ source: { daily, hourly } }: QueryPlan): SQL {
  const sources: PieceSource[] = [
    ...(daily || hourly ? (["day"] as const) : []),
    ...(hourly ? (["quarter", "hour", "minute"] as const) : []),
    "raw",
  ];
  const pairs = sources.map(
    (source) => sql`${sql.raw(`'${source}'`)}, (
        select coalesce(jsonb_agg(jsonb_build_array(lower(piece), upper(piece)) order by piece), '[]')
        from ${piecesOf(source)}
      )`,
  );
  return sql`'pieces', jsonb_build_object(${sql.join(pairs, sql`, `)})`;
}
