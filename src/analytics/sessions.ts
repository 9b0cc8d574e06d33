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
  quantiles: z.array(z.number()).nullable(),
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
  // Each table gives its moments in order, by its index on users: merging them is cheap, sorting all of them is not.
  const ordered = (table: string, column: string) => {
    const at = sql`x.${sql.identifier(column)}`;
    return sql`(select x.user_id, ${at} as at from ${sql.identifier(table)} x where ${inWorkspace(workspaceId, "x")} and ${at} >= ${since} and ${at} < ${to} order by x.user_id, ${at})`;
  };
  const gap = sql`make_interval(mins => ${SESSION_GAP_MINUTES}::int)`;
  // Where a session begins, and each user's last moment; the next of these rows says how a session ended.
  const begins = sql`(before is null or at - before >= ${gap})`;
  const statement = sql`with moments as (${ordered("executions", "started_at")} union all ${ordered("events", "occurred_at")}),
    placed as (select user_id, at, lag(at) over w as before, lead(at) over w as after, row_number() over w as place from moments window w as (partition by user_id order by at)),
    bounds as (select user_id, at, ${begins} as begins, lead(case when ${begins} then before else at end) over w as ended,
        lead(case when ${begins} then place else place + 1 end) over w - place as activities
      from placed where ${begins} or after is null window w as (partition by user_id order by at, place)),
    found as (select user_id, coalesce(activities, 1) as activities, coalesce(extract(epoch from ended - at)::float8 * 1000, 0) as length_ms from bounds where begins and at >= ${from}),
    classed as (select *, width_bucket(length_ms, ${sql.param(LENGTHS_MS)}::float8[]) as class from found)
    select count(*) as sessions, count(distinct user_id) as users, coalesce(sum(activities), 0) as activities, avg(length_ms) as avg,
      percentile_disc(array[0.5, 0.9]) within group (order by length_ms) as quantiles, count(*) filter (where activities = 1) as single,
      array[${sql.join(
        LENGTH_NAMES.map((_, index) => sql`count(*) filter (where class = ${index}::int)`),
        sql`, `,
      )}] as lengths from classed`;
  return statementOf({ sql: statement, row }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    const ratio = (part: number | null, whole: number) => (whole === 0 || part === null ? null : part / whole);
    return {
      sessions: found.sessions,
      users: found.users,
      sessions_per_user: ratio(found.sessions, found.users),
      activities_per_session: ratio(found.activities, found.sessions),
      duration_ms: { avg: found.avg, p50: found.quantiles?.[0] ?? null, p90: found.quantiles?.[1] ?? null },
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
