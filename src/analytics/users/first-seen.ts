import { type SQL, sql } from "drizzle-orm";
import { instantSql } from "../../db/instants.ts";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import type { EpochUs } from "../../lib/time.ts";
import { type ActivityKind, eventsWhere, executionsWhere, NO_QUARTERS } from "./presence.ts";

/** Users and their first day's quarter. No join: the index then gives the first day at once. */
function firstRolled(workspaceId: string, kind: ActivityKind, end: SQL): SQL {
  const quarters = sql.raw(kind.of === "success" ? "p.succeeded" : "p.present");
  return sql`
      select u.user_id, (
        select p.bucket + (position(B'1' in ${quarters}) - 1) * interval '15 minutes'
        from user_presence_daily p
        where ${inWorkspace(workspaceId, "p")}
          and p.user_id = u.user_id
          and p.bucket < ${end}
          and ${quarters} <> ${NO_QUARTERS}
          and p.bucket not in (select day from dirty_days)
        order by p.bucket
        limit 1
      ) as at
      from seen_users u`;
}

/** Users and their first execution on the days that have a mark. */
function firstRaw(workspaceId: string, kind: ActivityKind, end: SQL): SQL {
  return sql`
      select e.user_id, min(e.started_at)
      from dirty_days d
      cross join lateral (
        select e.user_id, e.started_at from executions e
        where ${keyInWorkspace(workspaceId, "e")}
          and e.started_at >= d.day and e.started_at < d.day + interval '24 hours'
          and e.started_at < ${end}
          and e.user_id is not null${executionsWhere(kind)}
        offset 0
      ) e
      group by e.user_id`;
}

/** Users and their first event. */
function firstEvents(workspaceId: string, kind: ActivityKind, end: SQL): SQL {
  return sql`
      select u.user_id, (
        select min(v.occurred_at) from events v
        where ${inWorkspace(workspaceId, "v")}
          and v.user_id = u.user_id
          and v.occurred_at < ${end}${eventsWhere(kind)}
      )
      from seen_users u`;
}

/**
 * CTEs beside those of `userPresence`: `first_seen(user_id, at)`, the first activity of each user,
 * ever, if it lies before an instant. `at` is the start of its quarter of an hour (an event: its
 * instant).
 * @param users statement with the ids of the users
 * @param before end of a quarter of an hour: later activity does not count
 */
export function firstSeen(
  workspaceId: string,
  kind: ActivityKind,
  users: SQL,
  before: EpochUs,
): SQL {
  const end = instantSql(before);
  const executions = [firstRolled(workspaceId, kind, end), firstRaw(workspaceId, kind, end)];
  const parts = [
    ...(kind.of === "event" ? [] : executions),
    ...(kind.of === "success" ? [] : [firstEvents(workspaceId, kind, end)]),
  ];
  // Days of rollups and of raw rows are UTC days: the last one may extend beyond the end.
  return sql`seen_users as materialized (select distinct user_id from (${users}) users),
  first_seen as materialized (
    select user_id, min(at) as at
    from (${sql.join(parts, sql`\n      union all`)}
    ) firsts(user_id, at)
    where at < ${end}
    group by user_id
  )`;
}
