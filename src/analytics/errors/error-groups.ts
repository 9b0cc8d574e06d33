import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { boundedPage } from "../../db/keyset.ts";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { metaRow } from "../result/meta-row.ts";
import { freshness, inRanges } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";

export const ERROR_STATUSES = ["open", "resolved", "ignored"] as const;
export type ErrorStatus = (typeof ERROR_STATUSES)[number];

/** Errors of one fingerprint: type and message without quoted text, ids, numbers and line numbers (migration 0001). */
export interface ErrorGroup {
  id: string;
  error_type: string;
  /** Of the latest error in the range. */
  sample_message: string | null;
  sample_execution_id: string;
  status: ErrorStatus;
  /** It was resolved and came back. */
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

const row = z.object({
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

export interface ErrorFilter {
  agentId?: string | undefined;
  userId?: string | undefined;
  fingerprint?: string | undefined;
  status?: ErrorStatus | undefined;
  /** Contained in type or message, whatever the case. */
  search?: string | undefined;
  after?: { executions: number; id: string } | undefined;
  /** Groups of the list to leave out. */
  skip?: number | undefined;
  limit: number;
}

/** Rows with an error in a range: the alias `e` of executions and its conditions. */
export function failedRows(
  workspaceId: string,
  range: TimeRange,
  { agentId, userId, fingerprint }: Partial<ErrorFilter>,
): SQL {
  const conditions = [
    inWorkspace(workspaceId, "e"),
    sql`e.error_fingerprint is not null and ${inRanges(sql`e.started_at`, [range])}`,
    ...(agentId === undefined ? [] : [sql`e.agent_id = ${agentId}`]),
    ...(userId === undefined ? [] : [sql`e.user_id = ${userId}`]),
    ...(fingerprint === undefined ? [] : [sql`e.error_fingerprint = ${fingerprint}`]),
  ];
  return sql`executions e where ${sql.join(conditions, sql` and `)}`;
}

/** The CTE `placed`: the groups of a range. A resolved group is open again as soon as a run of it fails later. */
function placed(workspaceId: string, range: TimeRange, filter: Partial<ErrorFilter>): SQL {
  const edge = (
    direction: "asc" | "desc",
  ) => sql`(select x.started_at from executions x where ${inWorkspace(workspaceId, "x")}
    and x.error_fingerprint = g.error_fingerprint order by x.started_at ${sql.raw(direction)} limit 1)`;
  // Heard of after the decision, and failed after it: a late report of an old failure is no comeback.
  const cameBack = sql`exists (select from executions x where ${inWorkspace(workspaceId, "x")} and x.error_fingerprint = g.error_fingerprint
    and x.heard_at > s.changed_at and coalesce(x.ended_at, x.started_at + x.duration_ms * interval '1 millisecond', x.started_at) > s.changed_at)`;
  return sql`with grouped as materialized (
      select e.error_fingerprint, count(*) as executions, count(distinct e.user_id) as users, count(distinct e.agent_id) as agents, coalesce(sum(e.credits), 0) as credits_lost,
        (array_agg(e.id order by e.started_at desc, e.id desc))[1] as sample_id, max(e.started_at) as latest_at
      from ${failedRows(workspaceId, range, filter)} group by e.error_fingerprint
    ), placed as (
      select g.error_fingerprint as id, r.error_type, r.error_message as sample_message, g.sample_id as sample_execution_id,
        case when reopened then 'open' else coalesce(s.status, 'open') end as status, reopened,
        g.executions, g.users, g.agents, round(g.credits_lost, 6) as credits_lost, w.first as first_seen_at, w.last as last_seen_at,
        g.executions::float8 / sum(g.executions) over () as share
      from grouped g
        cross join lateral (select ${edge("asc")} as first, ${edge("desc")} as last) w
        cross join lateral (select r.error_type, r.error_message from executions r
          where ${keyInWorkspace(workspaceId, "r")} and r.started_at = g.latest_at and r.id = g.sample_id
            and ${inRanges(sql`r.started_at`, [range])} offset 0) r
        left join error_states s on ${inWorkspace(workspaceId, "s")} and s.fingerprint = g.error_fingerprint
        cross join lateral (select case when s.status = 'resolved' then ${cameBack} else false end as reopened offset 0) c
    )`;
}

/** The groups that were asked for, wherever in the list. */
function wanted(filter: Partial<ErrorFilter>): SQL[] {
  return [
    ...(filter.status === undefined ? [] : [sql`status = ${filter.status}`]),
    ...(filter.search === undefined
      ? []
      : [
          sql`position(lower(${filter.search}::text) in lower(error_type || ' ' || coalesce(sample_message, ''))) > 0`,
        ]),
  ];
}

const where = (conditions: readonly SQL[]) =>
  conditions.length > 0 ? sql`where ${sql.join([...conditions], sql` and `)}` : sql``;

/** Groups of errors, the most frequent first, ties by id, no more of them than a page may hold. `found`: how many there would be. */
export function errorGroups(
  workspaceId: string,
  range: TimeRange,
  filter: ErrorFilter,
): PreparedQuery<{ groups: ErrorGroup[]; found: number }> {
  const { after, skip = 0, limit } = filter;
  const behind = after
    ? [
        sql`(executions < ${after.executions}::bigint or (executions = ${after.executions}::bigint and id > ${after.id}::text))`,
      ]
    : [];
  const page = sql`select * from placed ${where([...wanted(filter), ...behind])}
    order by executions desc, id limit ${limit} offset ${skip}`;
  const statement = sql`${placed(workspaceId, range, filter)} ${boundedPage(page, sql`p.executions desc, p.id`)}`;
  return prepared({ sql: statement, row }, (rows) => ({
    groups: rows.map(({ rows_found: _, ...group }) => group),
    found: rows[0]?.rows_found ?? 0,
  }));
}

/** How many groups there are, on all pages. */
export function errorGroupCount(
  workspaceId: string,
  range: TimeRange,
  filter: Partial<ErrorFilter>,
): PreparedQuery<number> {
  const statement = sql`${placed(workspaceId, range, filter)} select count(*) as total from placed ${where(wanted(filter))}`;
  return prepared(
    { sql: statement, row: z.object({ total: z.number() }) },
    ([found]) => found?.total ?? 0,
  );
}

/** `meta` of an answer that is made of raw rows only. */
export function rawMeta(
  workspaceId: string,
  range: TimeRange,
  timezone: string,
  rows: SQL = sql`select 0`,
): PreparedQuery<AnswerMeta> {
  const statement = sql`select jsonb_build_object(${freshness(workspaceId)}, 'daily', 0, 'hourly', 0, 'raw', (${rows})) as meta`;
  return prepared({ sql: statement, row: z.object({ meta: metaRow }) }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    return metaOf(range, timezone, found.meta);
  });
}
