import { sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { DAY_US, formatInstant, MINUTE_US } from "../../lib/time.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { dirtyHours, instantList } from "../rollups/marks.ts";
import {
  joinedSessions,
  LENGTH_NAMES,
  LENGTH_US,
  lengthKey,
  momentsOf,
  SESSION_GAP_MINUTES,
  SESSION_SUMS,
} from "../rollups/session-parts.ts";
import { commaList } from "../sql/lists.ts";
import { parseSketch, type SketchCells, sketchValue } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";

export interface SessionFigures {
  sessions: number;
  users: number;
  sessions_per_user: number | null;
  activities_per_session: number | null;
  /** From the first activity of a session to its last; one activity makes a session of 0 ms. Quantiles within 1 %, or 1 ms. */
  duration_ms: { avg: number | null; p50: number | null; p90: number | null };
  /** Share of sessions with a single activity. */
  single_activity_rate: number | null;
  lengths: { name: string; sessions: number }[];
  /** Moments that were read. */
  rows: number;
  /** Days that came from their rollup. */
  rolledDays: number;
}

const row = z.object({
  sessions: z.coerce.number(),
  users: z.number(),
  activities: z.coerce.number(),
  singles: z.coerce.number(),
  length_sum_us: z.coerce.number(),
  length_min_us: z.coerce.number(),
  length_max_us: z.coerce.number(),
  classes: z.array(z.coerce.number()),
  sketch: z.string().nullable(),
  rows: z.coerce.number(),
  days: z.number(),
});

/** Days (UTC) that lie in the range as a whole, and what is left of it; the gap before the range belongs to that. */
function cut({ from, to }: TimeRange) {
  const [first, last] = [Math.ceil(from / DAY_US) * DAY_US, Math.floor(to / DAY_US) * DAY_US];
  // What happened in the gap before the range decides whether its first activity goes on with an older session.
  const since = from - SESSION_GAP_MINUTES * MINUTE_US;
  if (first >= last) return { days: [], rest: [{ from: since, to }] };
  const days = Array.from(
    { length: Math.round((last - first) / DAY_US) },
    (_, index) => first + index * DAY_US,
  );
  return { days, rest: [{ from: since, to: first }, ...(to > last ? [{ from: last, to }] : [])] };
}

/** The value whose rank is ceil(q n), as the kernel's quantiles have it. */
function quantile(cells: SketchCells, q: number, minMs: number, maxMs: number): number | null {
  let left = Math.max(1, Math.ceil(q * cells.reduce((sum, { count }) => sum + count, 0)));
  for (const { key, count } of cells) {
    left -= count;
    if (left <= 0) return sketchValue(key, minMs, maxMs);
  }
  return null;
}

/**
 * Sessions that begin in the range, by the 30-minute rule over executions (their start) and events. A session that is still
 * going on at the end of the range is counted as far as it has come. Days that were rolled up and have no mark come from
 * `sessions_daily`; what of them may go on over midnight, and all raw moments, are joined here.
 */
export function sessionFigures(
  workspaceId: string,
  range: TimeRange,
): PreparedQuery<SessionFigures> {
  const { days, rest } = cut(range);
  const [first = 0, last = 0] = [days[0], days.at(-1)];
  const whole = { from: rest[0]?.from ?? range.from, to: range.to };
  const moments = sql`select m.user_id, m.at as began, m.at as ended, 1 as activities from rest r cross join lateral ${momentsOf(workspaceId, [sql`r.lo`, sql`r.hi`], [whole])} m`;
  const pieces = sql`select user_id, began, ended, activities from raw_pieces
    union all select e.user_id, e.started_at, e.ended_at, e.activities from rolled r
      cross join lateral (select e.* from session_edges_daily e where ${keyInWorkspace(workspaceId, "e")} and e.bucket = r.bucket offset 0) e`;
  const statement = sql`with recursive ${dirtyHours(workspaceId, first, last + DAY_US, "session")},
    rolled as materialized (select s.* from unnest(${instantList(days)}) d(day)
      cross join lateral (select s.* from sessions_daily s where ${keyInWorkspace(workspaceId, "s")} and s.bucket = d.day offset 0) s
      where not exists (select from dirty_days x where x.day = d.day)),
    rest as materialized (select lo, hi from unnest(${instantList(rest.map((piece) => piece.from))}, ${instantList(rest.map((piece) => piece.to))}) r(lo, hi)
      union all select day, day + interval '24 hours' from unnest(${instantList(days)}) d(day) where not exists (select from rolled r where r.bucket = d.day)),
    raw_pieces as materialized (${joinedSessions([], moments)}),
    found as materialized (select user_id, activities, ${LENGTH_US} as length_us from (${joinedSessions([], pieces)}) s where began >= ${formatInstant(range.from)}::timestamptz),
    every as (select sessions, singles, activities, length_sum_us, length_min_us, length_max_us, classes from rolled union all select ${SESSION_SUMS} from found),
    cells as (select key, sum(n) as n from (select unnest(sketch_keys) as key, unnest(sketch_counts) as n from rolled union all select ${lengthKey(sql`length_us`)}, 1 from found) c group by key)
    select sum(sessions) as sessions, sum(singles) as singles, sum(activities) as activities, sum(length_sum_us) as length_sum_us,
      coalesce(min(length_min_us), 0) as length_min_us, coalesce(max(length_max_us), 0) as length_max_us,
      array[${commaList(LENGTH_NAMES.map((_, index) => sql`sum(classes[${sql.raw(String(index + 1))}])`))}] as classes,
      (select count(*) from (select id from (select unnest(user_ids) as id from rolled union all select user_id from found) ids group by id) users) as users,
      (select string_agg(key || ':' || n, ',' order by key) from cells) as sketch, (select coalesce(sum(activities), 0) from raw_pieces) as rows, (select count(*) from rolled) as days
    from every`;
  return prepared({ sql: statement, row }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    const { sessions: count, users, activities, singles, classes, rows, days: rolledDays } = found;
    const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);
    const cells = parseSketch(found.sketch);
    const at = (q: number) =>
      quantile(cells, q, found.length_min_us / 1000, found.length_max_us / 1000);
    return {
      sessions: count,
      users,
      sessions_per_user: ratio(count, users),
      activities_per_session: ratio(activities, count),
      duration_ms: { avg: ratio(found.length_sum_us / 1000, count), p50: at(0.5), p90: at(0.9) },
      single_activity_rate: ratio(singles, count),
      rows,
      rolledDays,
      lengths: LENGTH_NAMES.map((name, index) => ({ name, sessions: classes[index] ?? 0 })),
    };
  });
}

export interface FeatureUse {
  event_type: string;
  event_name: string | null;
  events: number;
  users: number;
}

const featureRow = z.object({
  event_type: z.string(),
  event_name: z.string().nullable(),
  events: z.number(),
  users: z.number(),
});

/** Events of the range by type and name, the most used first. */
export function featureUse(
  workspaceId: string,
  range: TimeRange,
  limit = 100,
): PreparedQuery<FeatureUse[]> {
  const statement = sql`select v.event_type, v.event_name, count(*) as events, count(distinct v.user_id) as users from events v
    where ${inWorkspace(workspaceId, "v")} and v.occurred_at >= ${formatInstant(range.from)}::timestamptz and v.occurred_at < ${formatInstant(range.to)}::timestamptz
    group by 1, 2 order by 3 desc, 1, 2 limit ${limit}`;
  return prepared({ sql: statement, row: featureRow }, (rows) => rows);
}
