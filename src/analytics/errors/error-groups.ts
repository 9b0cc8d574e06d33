import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { boundedPage } from "../../db/keyset.ts";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { inRanges } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import {
  ERROR_STATUSES,
  type ErrorFilter,
  type ErrorPage,
  type ErrorStatus,
  failedRows,
  groupConditions,
} from "./error-filter.ts";

/**
 * Errors of one fingerprint: type and message without quoted text, ids, numbers and line numbers
 * (migration 0001).
 */
export interface ErrorGroup {
  id: string;
  error_type: string;
  /** Of the latest error in the range. */
  sample_message: string | null;
  sample_execution_id: string;
  status: ErrorStatus;
  /** Whether it was resolved and has occurred again. */
  reopened: boolean;
  executions: number;
  users: number;
  agents: number;
  credits_lost: string;
  /** Ever, not only in the range. */
  first_seen_at: string;
  last_seen_at: string;
  /** Share of all errors of the range. */
  share: number;
}

const groupRow = z.object({
  id: z.string(),
  error_type: z.string(),
  sample_message: z.string().nullable(),
  sample_execution_id: z.string(),
  status: z.enum(ERROR_STATUSES),
  reopened: z.boolean(),
  executions: z.number(),
  users: z.number(),
  agents: z.number(),
  credits_lost: z.coerce.string(),
  first_seen_at: z.string(),
  last_seen_at: z.string(),
  share: z.number(),
  rows_found: z.number(),
});

/** CTE: the errors of a range by their fingerprint. */
function groupedErrors(workspaceId: string, range: TimeRange, filter: ErrorFilter): SQL {
  return sql`grouped as materialized (
    select e.error_fingerprint,
      count(*) as executions,
      count(distinct e.user_id) as users,
      count(distinct e.agent_id) as agents,
      coalesce(sum(e.credits), 0) as credits_lost,
      (array_agg(e.id order by e.started_at desc, e.id desc))[1] as sample_id,
      max(e.started_at) as latest_at
    from ${failedRows(workspaceId, range, filter)}
    group by e.error_fingerprint
  )`;
}

/** Start of the first or the last error of a group, ever. */
function edgeOf(workspaceId: string, direction: "asc" | "desc"): SQL {
  return sql`(
        select x.started_at from executions x
        where ${inWorkspace(workspaceId, "x")}
          and x.error_fingerprint = g.error_fingerprint
        order by x.started_at ${sql.raw(direction)}
        limit 1
      )`;
}

/**
 * Whether a group has an error that ended after its status was set and was reported after it: a
 * late report of an earlier failure does not reopen a group.
 */
function occurredAgain(workspaceId: string): SQL {
  const endedAt = sql`coalesce(x.ended_at,
            x.started_at + x.duration_ms * interval '1 millisecond',
            x.started_at)`;
  return sql`exists (
          select from executions x
          where ${inWorkspace(workspaceId, "x")}
            and x.error_fingerprint = g.error_fingerprint
            and x.heard_at > s.changed_at
            and ${endedAt} > s.changed_at
        )`;
}

/** CTEs, with their `with`: `placed`, the groups of a range with status, sample and edges. */
function placedGroups(workspaceId: string, range: TimeRange, filter: ErrorFilter): SQL {
  return sql`with ${groupedErrors(workspaceId, range, filter)},
  placed as (
    select g.error_fingerprint as id,
      r.error_type,
      r.error_message as sample_message,
      g.sample_id as sample_execution_id,
      case when reopened then 'open' else coalesce(s.status, 'open') end as status,
      reopened,
      g.executions,
      g.users,
      g.agents,
      round(g.credits_lost, 6) as credits_lost,
      w.first as first_seen_at,
      w.last as last_seen_at,
      g.executions::float8 / sum(g.executions) over () as share
    from grouped g
    cross join lateral (
      select ${edgeOf(workspaceId, "asc")} as first,
        ${edgeOf(workspaceId, "desc")} as last
    ) w
    cross join lateral (
      select r.error_type, r.error_message from executions r
      where ${keyInWorkspace(workspaceId, "r")}
        and r.started_at = g.latest_at
        and r.id = g.sample_id
        and ${inRanges(sql`r.started_at`, [range])}
      offset 0
    ) r
    left join error_states s
      on ${inWorkspace(workspaceId, "s")} and s.fingerprint = g.error_fingerprint
    cross join lateral (
      select case
        when s.status = 'resolved' then ${occurredAgain(workspaceId)}
        else false
      end as reopened
      offset 0
    ) c
  )`;
}

const whereAll = (conditions: readonly SQL[]) =>
  conditions.length > 0 ? sql`where ${sql.join([...conditions], sql` and `)}` : sql``;

/** Groups behind a position of the list. */
function behind({ executions, id }: { executions: number; id: string }): SQL {
  return sql`(executions < ${executions}::bigint
      or (executions = ${executions}::bigint and id > ${id}::text))`;
}

/**
 * Groups of errors, the most frequent first, ties by id, as many as a page may hold.
 * @returns the groups, and how many were `found` before the page's bytes were limited
 */
export function errorGroups(
  workspaceId: string,
  range: TimeRange,
  filter: ErrorPage,
): PreparedQuery<{ groups: ErrorGroup[]; found: number }> {
  const { after, skip = 0, limit } = filter;
  const conditions = groupConditions(filter);
  if (after) conditions.push(behind(after));
  const page = sql`
    select * from placed
    ${whereAll(conditions)}
    order by executions desc, id
    limit ${limit} offset ${skip}`;
  const statement = sql`${placedGroups(workspaceId, range, filter)}
  ${boundedPage(page, sql`p.executions desc, p.id`)}`;
  return prepared({ sql: statement, row: groupRow }, (rows) => ({
    groups: rows.map(({ rows_found: _, ...group }) => group),
    found: rows[0]?.rows_found ?? 0,
  }));
}

/** Number of groups, on all pages. */
export function errorGroupCount(
  workspaceId: string,
  range: TimeRange,
  filter: ErrorFilter,
): PreparedQuery<number> {
  const statement = sql`${placedGroups(workspaceId, range, filter)}
  select count(*) as total
  from placed
  ${whereAll(groupConditions(filter))}`;
  const row = z.object({ total: z.number() });
  return prepared({ sql: statement, row }, ([found]) => found?.total ?? 0);
}
