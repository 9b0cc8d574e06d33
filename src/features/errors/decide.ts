import { sql } from "drizzle-orm";
import { z } from "zod";
import { ERROR_STATUSES, type ErrorStatus } from "../../analytics/errors/error-filter.ts";
import { authorOf } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";
import { notFound } from "../../lib/errors.ts";

const row = z.object({
  id: z.string(),
  status: z.enum(ERROR_STATUSES),
  note: z.string().nullable(),
  changed_at: z.string(),
  changed_by: z.string(),
});
export type ErrorDecision = z.output<typeof row>;

/** What was decided about a group, as it was decided; null for nothing. */
export async function decisionOf(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ErrorDecision | null> {
  const found = await ctx.db.maybe({
    sql: sql`select s.fingerprint as id, s.status, s.note, s.changed_at, s.changed_by from error_states s where ${inWorkspace(workspaceId, "s")} and s.fingerprint = ${id}`,
    row,
  });
  return found ?? null;
}

/** Keeps a decision about a group of errors, in place of an earlier one. @throws AppError not_found for a group without errors here */
export async function decideError(
  ctx: Context,
  workspaceId: string,
  id: string,
  status: ErrorStatus,
  note: string | null,
): Promise<ErrorDecision> {
  const by = authorOf(ctx.actor);
  const found = await ctx.db.maybe({
    sql: sql`insert into error_states (workspace_id, fingerprint, status, note, changed_at, changed_by)
      select ${workspaceId}, ${id}, ${status}, ${note}::text, now(), ${by} where exists (select from executions e where ${inWorkspace(workspaceId, "e")} and e.error_fingerprint = ${id})
      on conflict (workspace_id, fingerprint) do update set status = excluded.status, note = excluded.note, changed_at = excluded.changed_at, changed_by = excluded.changed_by
      returning fingerprint as id, status, note, changed_at, changed_by`,
    row,
  });
  if (!found) throw notFound("error");
  ctx.cache.invalidate(workspaceId);
  return found;
}
