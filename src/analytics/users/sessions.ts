import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { instantList, instantSql } from "../../db/instants.ts";
import { keyInWorkspace } from "../../db/scope.ts";
import { DAY_US, type EpochUs, MINUTE_US } from "../../lib/time.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { dirtyHours } from "../rollups/marks.ts";
import {
  activitiesBetween,
  joinedSessions,
  LENGTH_CLASSES,
  LENGTH_US,
  lengthKey,
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
  /**
   * From the first activity of a session to its last; a session of one activity lasts 0 ms.
   * Quantiles are exact within 1 %, or 1 ms.
   */
  duration_ms: { avg: number | null; p50: number | null; p90: number | null };
  /** Share of sessions with a single activity. */
  single_activity_rate: number | null;
  lengths: { name: string; sessions: number }[];
  /** Activities that were read. */
  rows: number;
  /** Days that came from their rollup. */
  rolledDays: number;
}

const sessionRow = z.object({
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

interface SessionPieces {
  /** Begins of the UTC days that lie in the range as a whole. */
  days: EpochUs[];
  /** The rest of the range, with the gap before it. */
  rest: TimeRange[];
}

function cutByDays({ from, to }: TimeRange): SessionPieces {
  const firstDay = Math.ceil(from / DAY_US) * DAY_US;
  const end = Math.floor(to / DAY_US) * DAY_US;
  // Activity in the gap before the range decides whether its first one continues an older session.
  const since = from - SESSION_GAP_MINUTES * MINUTE_US;
  if (firstDay >= end) return { days: [], rest: [{ from: since, to }] };
  const days = Array.from(
    { length: Math.round((end - firstDay) / DAY_US) },
    (_, index) => firstDay + index * DAY_US,
  );
  const before = { from: since, to: firstDay };
  return { days, rest: to > end ? [before, { from: end, to }] : [before] };
}

/** CTEs: `rolled`, days from their rollup, and `rest`, what raw rows answer. */
function pieceTables(workspaceId: string, { days, rest }: SessionPieces): SQL {
  return sql`rolled as materialized (
    select s.*
    from unnest(${instantList(days)}) d(day)
    cross join lateral (
      select s.* from sessions_daily s
      where ${keyInWorkspace(workspaceId, "s")} and s.bucket = d.day
      offset 0
    ) s
    where not exists (select from dirty_days x where x.day = d.day)
  ),
  rest as materialized (
    select lo, hi
    from unnest(
      ${instantList(rest.map((piece) => piece.from))},
      ${instantList(rest.map((piece) => piece.to))}
    ) r(lo, hi)
    union all
    select day, day + interval '24 hours'
    from unnest(${instantList(days)}) d(day)
    where not exists (select from rolled r where r.bucket = d.day)
  )`;
}

/** CTEs: `raw_pieces`, sessions of raw rows, and `found`, those that the rollups do not hold. */
function rawTables(workspaceId: string, range: TimeRange, { rest }: SessionPieces): SQL {
  const read = { from: rest[0]?.from ?? range.from, to: range.to };
  const activities = sql`
    select m.user_id, m.at as began, m.at as ended, 1 as activities
    from rest r
    cross join lateral ${activitiesBetween(workspaceId, [sql`r.lo`, sql`r.hi`], [read])} m`;
  const pieces = sql`
    select user_id, began, ended, activities from raw_pieces
    union all
    select e.user_id, e.started_at, e.ended_at, e.activities
    from rolled r
    cross join lateral (
      select e.* from session_edges_daily e
      where ${keyInWorkspace(workspaceId, "e")} and e.bucket = r.bucket
      offset 0
    ) e`;
  return sql`raw_pieces as materialized (${joinedSessions([], activities)}),
  found as materialized (
    select user_id, activities, ${LENGTH_US} as length_us
    from (${joinedSessions([], pieces)}) s
    where began >= ${instantSql(range.from)}
  )`;
}

/** CTEs: sums and sketch cells of rolled and found sessions. */
const sumTables = () => sql`every as (
    select sessions, singles, activities, length_sum_us, length_min_us, length_max_us, classes
    from rolled
    union all
    select ${SESSION_SUMS}
    from found
  ),
  cells as (
    select key, sum(n) as n
    from (
      select unnest(sketch_keys) as key, unnest(sketch_counts) as n from rolled
      union all
      select ${lengthKey(sql`length_us`)}, 1 from found
    ) c
    group by key
  )`;

const figuresRow = () => sql`
  select sum(sessions) as sessions,
    sum(singles) as singles,
    sum(activities) as activities,
    sum(length_sum_us) as length_sum_us,
    coalesce(min(length_min_us), 0) as length_min_us,
    coalesce(max(length_max_us), 0) as length_max_us,
    array[${commaList(
      LENGTH_CLASSES.map((_, index) => sql`sum(classes[${sql.raw(String(index + 1))}])`),
    )}] as classes,
    (
      select count(*)
      from (
        select id
        from (
          select unnest(user_ids) as id from rolled
          union all
          select user_id from found
        ) ids
        group by id
      ) users
    ) as users,
    (select string_agg(key || ':' || n, ',' order by key) from cells) as sketch,
    (select coalesce(sum(activities), 0) from raw_pieces) as rows,
    (select count(*) from rolled) as days
  from every`;

/** The value of rank ceil(q n), the rank of the kernel's quantiles. */
function quantileOf(cells: SketchCells, q: number, minMs: number, maxMs: number): number | null {
  let left = Math.max(1, Math.ceil(q * cells.reduce((sum, { count }) => sum + count, 0)));
  for (const { key, count } of cells) {
    left -= count;
    if (left <= 0) return sketchValue(key, minMs, maxMs);
  }
  return null;
}

const ratio = (part: number, whole: number) => (whole === 0 ? null : part / whole);

function figuresOf(found: z.output<typeof sessionRow>): SessionFigures {
  const { sessions, users, activities, singles, classes, rows, days } = found;
  const cells = parseSketch(found.sketch);
  const minMs = found.length_min_us / 1000;
  const maxMs = found.length_max_us / 1000;
  return {
    sessions,
    users,
    sessions_per_user: ratio(sessions, users),
    activities_per_session: ratio(activities, sessions),
    duration_ms: {
      avg: ratio(found.length_sum_us / 1000, sessions),
      p50: quantileOf(cells, 0.5, minMs, maxMs),
      p90: quantileOf(cells, 0.9, minMs, maxMs),
    },
    single_activity_rate: ratio(singles, sessions),
    rows,
    rolledDays: days,
    lengths: LENGTH_CLASSES.map((name, index) => ({ name, sessions: classes[index] ?? 0 })),
  };
}

/**
 * Sessions that begin in the range, by the 30-minute rule over executions (their start) and events.
 * A session that is still open at the end of the range counts up to there. Days that are rolled up
 * and have no mark come from `sessions_daily`; those of their sessions that may cross midnight, and
 * all raw activities, are joined here.
 */
export function sessionFigures(
  workspaceId: string,
  range: TimeRange,
): PreparedQuery<SessionFigures> {
  const pieces = cutByDays(range);
  const firstDay = pieces.days[0] ?? 0;
  const end = (pieces.days.at(-1) ?? 0) + DAY_US;
  const statement = sql`with ${dirtyHours(workspaceId, firstDay, end, "session")},
  ${pieceTables(workspaceId, pieces)},
  ${rawTables(workspaceId, range, pieces)},
  ${sumTables()}${figuresRow()}`;
  return prepared({ sql: statement, row: sessionRow }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    return figuresOf(found);
  });
}
