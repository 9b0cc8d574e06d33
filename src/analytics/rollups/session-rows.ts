import { sql } from "drizzle-orm";
import type { TimeRange } from "../time/time-range.ts";
import {
  joinedSessions,
  LENGTH_US,
  lengthKey,
  momentsOf,
  SESSION_GAP,
  SESSION_SUMS,
} from "./session-parts.ts";

export const SESSION_COLUMNS = sql.raw(
  "workspace_id, bucket, sessions, singles, activities, length_sum_us, length_min_us, length_max_us, classes, sketch_keys, sketch_counts, user_ids",
);
export const EDGE_COLUMNS = sql.raw(
  "workspace_id, bucket, user_id, started_at, ended_at, activities",
);

/**
 * A CTE with the sessions of the asked days, each cut at the day's ends. One is `inner` when no activity of another day can be
 * less than the gap away from it.
 */
export function sessionParts(ranges: readonly TimeRange[]) {
  const moments = sql`select w.place, m.user_id, m.at as began, m.at as ended, 1 as activities
    from asked w cross join lateral ${momentsOf({ list: "w" }, [sql`w.bucket`, sql`w.bucket + interval '24 hours'`], ranges)} m`;
  return sql`session_parts as materialized (
    select w.workspace_id, w.bucket, s.*, ${LENGTH_US} as length_us, began >= w.bucket + ${SESSION_GAP} and ended <= w.bucket + interval '24 hours' - ${SESSION_GAP} as is_inner
    from (${joinedSessions(["place"], moments)}) s join asked w using (place))`;
}

/** Rows of `sessions_daily` from the CTE: one for each asked day. */
export function sessionRows() {
  const none = (name: string, type: string) =>
    sql`coalesce(${sql.raw(name)}, '{}'::${sql.raw(type)}[])`;
  return sql`select w.workspace_id, w.bucket, coalesce(s.sessions, 0), coalesce(s.singles, 0), coalesce(s.activities, 0), coalesce(s.length_sum_us, 0), s.length_min_us, s.length_max_us,
      ${none("s.classes", "int")}, ${none("k.sketch_keys", "int")}, ${none("k.sketch_counts", "int")}, ${none("s.user_ids", "text")}
    from asked w left join (select place, ${SESSION_SUMS}, array_agg(distinct user_id order by user_id) as user_ids from session_parts where is_inner group by place) s using (place)
    left join (select place, array_agg(key order by key) as sketch_keys, array_agg(n order by key) as sketch_counts from (
        select place, ${lengthKey(sql`length_us`)} as key, count(*)::int as n from session_parts where is_inner group by 1, 2
      ) cells group by place) k using (place)`;
}

/** Rows of `session_edges_daily` from the CTE. */
export function edgeRows() {
  return sql`select workspace_id, bucket, user_id, began, ended, activities from session_parts where not is_inner`;
}
