import { sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace } from "../db/scope.ts";
import { formatInstant, MINUTE_US } from "../lib/time.ts";
import { type Prepared, statementOf } from "./query.ts";
import type { TimeRange } from "./range.ts";

/** A session ends when a user starts nothing for this long. */
export const SESSION_GAP_MINUTES = 30;

/** Upper ends (ms, excluded) of the classes of session lengths; the last class has none. */
const LENGTHS_MS = [30_000, 120_000, 300_000, 900_000, 1_800_000];
export const LENGTH_NAMES = ["0-30s", "30s-2m", "2m-5m", "5m-15m", "15m-30m", "30m+"];

export interface Sessions {
  sessions: number;
  users: number;
  sessions_per_user: number | null;
  activities_per_session: number | null;
  /** From the first activity of a session to its last; one activity makes a session of 0 ms. */
  duration_ms: { avg: number | null; p50: number | null; p90: number | null };
  /** Share of sessions with a single activity. */
  single_activity_rate: number | null;
  lengths: { name: string; sessions: number }[];
  /** Moments that were read. */
  rows: number;
}

const nullable = z.coerce.number().nullable();
const row = z.object({
  sessions: z.number(),
  users: z.number(),
  activities: nullable,
  avg: nullable,
  p50: nullable,
  p90: nullable,
  single: z.number(),
  lengths: z.array(z.coerce.number()),
});

/**
 * Sessions that begin in the range, by the 30-minute rule over executions (their start) and events. A session that is still
 * going on at the end of the range is counted as far as it has come.
 */
export function sessions(workspaceId: string, range: TimeRange): Prepared<Sessions> {
  const [from, to] = [sql`${formatInstant(range.from)}::timestamptz`, sql`${formatInstant(range.to)}::timestamptz`];
  // What happened in the gap before the range decides whether its first activity goes on with an older session.
  const since = sql`${formatInstant(range.from - SESSION_GAP_MINUTES * MINUTE_US)}::timestamptz`;
  const within = (column: string) => sql`x.${sql.identifier(column)} >= ${since} and x.${sql.identifier(column)} < ${to}`;
  const classes = sql`width_bucket(length_ms, ${sql.param(LENGTHS_MS)}::float8[])`;
  const statement = sql`with moments as (
      select x.user_id, x.started_at as at from executions x where ${inWorkspace(workspaceId, "x")} and ${within("started_at")}
      union all select x.user_id, x.occurred_at from events x where ${inWorkspace(workspaceId, "x")} and ${within("occurred_at")}
    ), placed as (
      select user_id, at, lag(at) over w as before, row_number() over w as place, last_value(at) over (w rows between unbounded preceding and unbounded following) as final,
        count(*) over (partition by user_id) as of_user
      from moments window w as (partition by user_id order by at)
    ), begun as (
      select user_id, at, coalesce(lead(before) over w, final) as ended, coalesce(lead(place) over w, of_user + 1) - place as activities
      from placed where before is null or at - before >= make_interval(mins => ${SESSION_GAP_MINUTES}::int) window w as (partition by user_id order by at)
    ), found as materialized (
      select user_id, activities, extract(epoch from ended - at)::float8 * 1000 as length_ms from begun where at >= ${from}
    )
    select count(*) as sessions, count(distinct user_id) as users, coalesce(sum(activities), 0) as activities, avg(length_ms) as avg,
      percentile_disc(0.5) within group (order by length_ms) as p50, percentile_disc(0.9) within group (order by length_ms) as p90,
      count(*) filter (where activities = 1) as single,
      array[${sql.join(
        LENGTH_NAMES.map((_, index) => sql`count(*) filter (where ${classes} = ${index}::int)`),
        sql`, `,
      )}] as lengths from found`;
  return statementOf({ sql: statement, row }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    const ratio = (part: number | null, whole: number) => (whole === 0 || part === null ? null : part / whole);
    return {
      sessions: found.sessions,
      users: found.users,
      sessions_per_user: ratio(found.sessions, found.users),
      activities_per_session: ratio(found.activities, found.sessions),
      duration_ms: { avg: found.avg, p50: found.p50, p90: found.p90 },
      single_activity_rate: ratio(found.single, found.sessions),
      rows: found.activities ?? 0,
      lengths: LENGTH_NAMES.map((name, index) => ({ name, sessions: found.lengths[index] ?? 0 })),
    };
  });
}

export interface FeatureUse {
  event_type: string;
  event_name: string | null;
  events: number;
  users: number;
}

const featureRow = z.object({ event_type: z.string(), event_name: z.string().nullable(), events: z.number(), users: z.number() });

/** Events of the range by type and name, the most used first. */
export function featureUse(workspaceId: string, range: TimeRange, limit = 100): Prepared<FeatureUse[]> {
  const statement = sql`select v.event_type, v.event_name, count(*) as events, count(distinct v.user_id) as users from events v
    where ${inWorkspace(workspaceId, "v")} and v.occurred_at >= ${formatInstant(range.from)}::timestamptz and v.occurred_at < ${formatInstant(range.to)}::timestamptz
    group by 1, 2 order by 3 desc, 1, 2 limit ${limit}`;
  return statementOf({ sql: statement, row: featureRow }, (rows) => rows);
}
