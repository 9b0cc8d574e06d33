import { type SQL, sql } from "drizzle-orm";
import type { TimeRange } from "../time/time-range.ts";
import {
  activitiesBetween,
  joinedSessions,
  LENGTH_US,
  lengthKey,
  SESSION_GAP,
  SESSION_SUMS,
} from "./session-parts.ts";

export const SESSION_COLUMNS = sql.raw(`workspace_id, bucket, sessions, singles, activities,
      length_sum_us, length_min_us, length_max_us, classes, sketch_keys, sketch_counts, user_ids`);
export const EDGE_COLUMNS = sql.raw(
  "workspace_id, bucket, user_id, started_at, ended_at, activities",
);

/**
 * CTE: the sessions of the asked days, each cut at the day's ends. A session is `inner` if no
 * activity of another day can be less than the gap away from it.
 */
export function sessionParts(ranges: readonly TimeRange[]): SQL {
  const day: [SQL, SQL] = [sql`w.bucket`, sql`w.bucket + interval '24 hours'`];
  const activities = sql`
    select w.place, m.user_id, m.at as began, m.at as ended, 1 as activities
    from asked w
    cross join lateral ${activitiesBetween({ list: "w" }, day, ranges)} m`;
  return sql`session_parts as materialized (
    select w.workspace_id, w.bucket, s.*,
      ${LENGTH_US} as length_us,
      began >= w.bucket + ${SESSION_GAP}
        and ended <= w.bucket + interval '24 hours' - ${SESSION_GAP} as is_inner
    from (${joinedSessions(["place"], activities)}) s
    join asked w using (place)
  )`;
}

/** Rows of `sessions_daily` from the CTE: one for each asked day. */
export function sessionRows(): SQL {
  const listOrEmpty = (name: string, type: string) =>
    sql`coalesce(${sql.raw(name)}, '{}'::${sql.raw(type)}[])`;
  const sums = sql`
      select place, ${SESSION_SUMS},
        array_agg(distinct user_id order by user_id) as user_ids
      from session_parts
      where is_inner
      group by place`;
  const sketches = sql`
      select place,
        array_agg(key order by key) as sketch_keys,
        array_agg(n order by key) as sketch_counts
      from (
        select place, ${lengthKey(sql`length_us`)} as key, count(*)::int as n
        from session_parts
        where is_inner
        group by 1, 2
      ) cells
      group by place`;
  return sql`
    select w.workspace_id, w.bucket,
      coalesce(s.sessions, 0),
      coalesce(s.singles, 0),
      coalesce(s.activities, 0),
      coalesce(s.length_sum_us, 0),
      s.length_min_us,
      s.length_max_us,
      ${listOrEmpty("s.classes", "int")},
      ${listOrEmpty("k.sketch_keys", "int")},
      ${listOrEmpty("k.sketch_counts", "int")},
      ${listOrEmpty("s.user_ids", "text")}
    from asked w
    left join (${sums}
    ) s using (place)
    left join (${sketches}
    ) k using (place)`;
}

/** Rows of `session_edges_daily` from the CTE. */
export function edgeRows(): SQL {
  return sql`
    select workspace_id, bucket, user_id, began, ended, activities
    from session_parts
    where not is_inner`;
}
