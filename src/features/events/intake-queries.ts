import { sql } from "drizzle-orm";
import { z } from "zod";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Db } from "../../db/client.ts";
import { keyInWorkspace } from "../../db/scope.ts";

/** One event as a caller gave it, checked: columns of `events`. */
export interface EventMessage {
  id: string;
  event_type: string;
  event_name: string | null;
  user_id: string;
  session_id: string | null;
  occurred_at: string;
  properties: Record<string, unknown> | null;
  /** The server made the time for a request that may come again: the stored event's own time holds. */
  time_made: boolean;
}

const COLUMNS = sql`id, event_type, event_name, user_id, session_id, occurred_at, properties`;
const TYPED_COLUMNS = sql`id text, event_type text, event_name text, user_id text,
      session_id text, occurred_at timestamptz, properties jsonb`;
const COMPARED = ["event_type", "event_name", "user_id", "session_id", "occurred_at", "properties"];

/**
 * Stores events and marks the sessions of their days. An id is taken once, in the order of ids, so
 * that two writers cannot deadlock.
 * @returns the ids that were new
 */
export async function insertEvents(
  db: Db,
  workspaceId: string,
  messages: readonly EventMessage[],
): Promise<Set<string>> {
  const rows = await db.all({
    sql: sql`with created as (
        insert into events (workspace_id, ${COLUMNS})
        select ${workspaceId}, ${COLUMNS}
        from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) as i(${TYPED_COLUMNS})
        order by id
        on conflict (workspace_id, id) do nothing
        returning id, occurred_at
      ), marks as (${insertMarks("session", "occurred_at", sql`created`, sql`${workspaceId}`)}
      )
      select id from created`,
    row: z.object({ id: z.string() }),
  });
  return new Set(rows.map((row) => row.id));
}

/** For each message the first field in which the stored event differs, or null. */
export async function eventContradictions(
  db: Db,
  workspaceId: string,
  messages: readonly EventMessage[],
): Promise<(string | null)[]> {
  const free = (name: string) => (name === "occurred_at" ? sql` and not i.time_made` : sql``);
  const cases = COMPARED.map((name) => {
    const column = sql.identifier(name);
    return sql`when i.${column} is distinct from e.${column}${free(name)} then ${name}`;
  });
  const rows = await db.all({
    sql: sql`select case ${sql.join(cases, sql` `)} end as path
      from rows from (
        jsonb_to_recordset(${JSON.stringify(messages)}::jsonb)
          as (${TYPED_COLUMNS}, time_made boolean)
      ) with ordinality as i(${COLUMNS}, time_made, place)
      cross join lateral (
        select e.* from events e
        where ${keyInWorkspace(workspaceId, "e")} and e.id = i.id
        offset 0
      ) e
      order by i.place`,
    row: z.object({ path: z.string().nullable() }),
  });
  return rows.map((row) => row.path);
}
