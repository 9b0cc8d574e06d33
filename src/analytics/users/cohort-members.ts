import { type SQL, sql } from "drizzle-orm";
import { instantSql, withinRange } from "../../db/instants.ts";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { inRanges } from "../rollups/marks.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import type { TimeRange } from "../time/time-range.ts";
import { firstSeen } from "./first-seen.ts";
import { type ActivityKind, eventsWhere, slotOf, userPresence } from "./presence.ts";

/** Which activity makes a user a member, and which counts as coming back. */
export interface CohortMembership {
  /** The first time ever: a user seen before the range is in none of its cohorts. */
  entry: ActivityKind;
  back: ActivityKind;
}

/** All users of a range: `active` holds only those whose activity counts as coming back. */
function visitors(workspaceId: string, range: TimeRange): SQL {
  const executedAt = sql`e.started_at`;
  const from = instantSql(range.from);
  const to = instantSql(range.to);
  return sql`
    select a.user_id from user_presence_daily a
    where ${keyInWorkspace(workspaceId, "a")}
      and a.bucket > ${from} - interval '24 hours'
      and a.bucket < ${to}
    union all
    select e.user_id
    from dirty_days d
    cross join lateral (
      select e.user_id from executions e
      where ${keyInWorkspace(workspaceId, "e")}
        and e.started_at >= d.day and e.started_at < d.day + interval '24 hours'
        and ${inRanges(executedAt, [range])}
        and e.user_id is not null
      offset 0
    ) e
    union all
    select v.user_id from events v
    where ${keyInWorkspace(workspaceId, "v")} and ${withinRange(sql`v.occurred_at`, range)}`;
}

/** Users that may be members (SQL). */
function candidates(workspaceId: string, range: TimeRange, { entry, back }: CohortMembership): SQL {
  if (entry.of === "event")
    return sql`
    select v.user_id from events v
    where ${inWorkspace(workspaceId, "v")}${eventsWhere(entry)}`;
  if (back.of === "event") return visitors(workspaceId, range);
  return sql`select user_id from active`;
}

/**
 * CTEs, with their `with`: `members(user_id, cohort)`, and `pairs(cohort, k, user_id)`, the offsets
 * at which each member was present.
 */
export function cohortTables(
  workspaceId: string,
  buckets: readonly Bucket[],
  membership: CohortMembership,
): SQL {
  const range = rangeOfBuckets(buckets);
  const users = candidates(workspaceId, range, membership);
  return sql`with ${userPresence(workspaceId, buckets, membership.back)},
  ${firstSeen(workspaceId, membership.entry, users, range.to)},
  members as materialized (
    select user_id, ${slotOf(sql`at`)} - 1 as cohort
    from first_seen
    where at >= (select starts[1] from slot)
  ),
  pairs as materialized (
    select m.cohort, a.slot - 1 - m.cohort as k, a.user_id
    from active a
    join members m using (user_id)
    where a.slot - 1 >= m.cohort
  )`;
}
