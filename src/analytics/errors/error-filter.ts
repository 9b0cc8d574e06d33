import { type SQL, sql } from "drizzle-orm";
import { inWorkspace } from "../../db/scope.ts";
import { inRanges } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";

export const ERROR_STATUSES = ["open", "resolved", "ignored"] as const;
export type ErrorStatus = (typeof ERROR_STATUSES)[number];

export interface ErrorFilter {
  agentId?: string | undefined;
  userId?: string | undefined;
  fingerprint?: string | undefined;
  status?: ErrorStatus | undefined;
  /** Part of the type or the message, in any case. */
  search?: string | undefined;
}

/** A page of error groups. */
export interface ErrorPage extends ErrorFilter {
  after?: { executions: number; id: string } | undefined;
  /** Number of groups to leave out at the start of the list. */
  skip?: number | undefined;
  limit: number;
}

/** Executions of a range that have an error: the table with alias `e`, and its conditions. */
export function failedRows(
  workspaceId: string,
  range: TimeRange,
  { agentId, userId, fingerprint }: ErrorFilter,
): SQL {
  const conditions = [
    inWorkspace(workspaceId, "e"),
    sql`e.error_fingerprint is not null and ${inRanges(sql`e.started_at`, [range])}`,
  ];
  if (agentId !== undefined) conditions.push(sql`e.agent_id = ${agentId}`);
  if (userId !== undefined) conditions.push(sql`e.user_id = ${userId}`);
  if (fingerprint !== undefined) conditions.push(sql`e.error_fingerprint = ${fingerprint}`);
  return sql`executions e
    where ${sql.join(conditions, sql`\n      and `)}`;
}

/** Conditions on groups of errors: the columns of `placed`. */
export function groupConditions({ status, search }: ErrorFilter): SQL[] {
  const conditions: SQL[] = [];
  if (status !== undefined) conditions.push(sql`status = ${status}`);
  if (search !== undefined) {
    const text = sql`lower(error_type || ' ' || coalesce(sample_message, ''))`;
    conditions.push(sql`position(lower(${search}::text) in ${text}) > 0`);
  }
  return conditions;
}
