import { sql } from "drizzle-orm";
import { z } from "zod";
import { ERROR_STATUSES, type ErrorStatus } from "../../analytics/errors/error-filter.ts";
import type { Db } from "../../db/client.ts";
import { inWorkspace } from "../../db/scope.ts";

const decisionRow = z.object({
  id: z.string(),
  status: z.enum(ERROR_STATUSES),
  note: z.string().nullable(),
  changed_at: z.string(),
  changed_by: z.string(),
});
export type ErrorDecision = z.output<typeof decisionRow>;

/** The stored decision about a group of errors, if there is one. */
export const findDecision = (db: Db, workspaceId: string, id: string) =>
  db.maybe({
    sql: sql`
      select s.fingerprint as id, s.status, s.note, s.changed_at, s.changed_by
      from error_states s
      where ${inWorkspace(workspaceId, "s")} and s.fingerprint = ${id}`,
    row: decisionRow,
  });

interface NewDecision {
  id: string;
  status: ErrorStatus;
  note: string | null;
  author: string;
}

/** Stores a decision in place of an earlier one; undefined if the group has no errors here. */
export const storeDecision = (
  db: Db,
  workspaceId: string,
  { id, status, note, author }: NewDecision,
) =>
  db.maybe({
    sql: sql`
      insert into error_states (workspace_id, fingerprint, status, note, changed_at, changed_by)
      select ${workspaceId}, ${id}, ${status}, ${note}::text, now(), ${author}
      where exists (
        select
        from executions e
        where ${inWorkspace(workspaceId, "e")} and e.error_fingerprint = ${id}
      )
      on conflict (workspace_id, fingerprint) do update set
        status = excluded.status,
        note = excluded.note,
        changed_at = excluded.changed_at,
        changed_by = excluded.changed_by
      returning fingerprint as id, status, note, changed_at, changed_by`,
    row: decisionRow,
  });
