import { sql } from "drizzle-orm";
import { z } from "zod";
import { insertMarks } from "../../analytics/rollups/marks.ts";
import type { Context } from "../../context.ts";
import { keyInWorkspace } from "../../db/scope.ts";
import { documentError, timeOf } from "../../http/fields.ts";
import type { GeneratedId } from "../../intake/generated-id.ts";
import {
  type CheckedItem,
  fieldErrorOf,
  givenId,
  hiddenField,
  type IntakeKind,
  type ItemVerdict,
} from "../../intake/items.ts";
import type { FieldError } from "../../lib/errors.ts";
import { formatInstant } from "../../lib/time.ts";
import { publishExecutions } from "../../realtime/publish.ts";
import { eventInput } from "./schema.ts";

interface Message {
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

function checkEvent(item: unknown, nowMs: number, made: GeneratedId): CheckedItem<Message> {
  const id = givenId(item);
  const refuse = (error: FieldError): CheckedItem<Message> => ({ ok: false, id, error });
  const hidden = hiddenField(item);
  if (hidden) return refuse(hidden);
  const parsed = eventInput.safeParse(item);
  if (!parsed.success) return refuse(fieldErrorOf(parsed.error));
  const { occurred_at, properties = null, ...rest } = parsed.data;
  if (occurred_at === undefined && rest.id !== undefined) {
    return refuse({
      path: "occurred_at",
      code: "required",
      message:
        "An event with an id must say when it occurred, or sending it again would change it.",
    });
  }
  const at =
    occurred_at === undefined
      ? nowMs * 1000
      : timeOf("occurred_at", occurred_at, nowMs, FIRST_YEAR);
  if (typeof at !== "number") return refuse(at);
  const unstorable = properties && documentError("properties", properties);
  if (unstorable) return refuse(unstorable);
  const { event_name = null, session_id = null, event_type, user_id } = rest;
  return {
    ok: true,
    message: {
      id: rest.id ?? made.id,
      time_made: made.reproducible && occurred_at === undefined,
      event_type,
      event_name,
      user_id,
      session_id,
      occurred_at: formatInstant(at),
      properties,
    },
  };
}

const FIELDS = sql`i(id text, event_type text, event_name text, user_id text, session_id text, occurred_at timestamptz, properties jsonb)`;
/** Histories of customers that are older than any agent are events too. */
const FIRST_YEAR = 1970;
const COLUMNS = sql`id, event_type, event_name, user_id, session_id, occurred_at, properties`;
const COMPARED = ["event_type", "event_name", "user_id", "session_id", "occurred_at", "properties"];

async function storeEvents(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<ItemVerdict[]> {
  if (messages.length === 0) return [];
  // Of several messages about one event the first is stored: rows of a statement have no order.
  const firsts = new Map<string, Message>();
  for (const message of messages) if (!firsts.has(message.id)) firsts.set(message.id, message);
  // An id is taken once; in the order of ids, so that two writers cannot deadlock.
  const rows = await ctx.db.all({
    sql: sql`with created as (
        insert into events (workspace_id, ${COLUMNS})
        select ${workspaceId}, ${COLUMNS}
        from jsonb_to_recordset(${JSON.stringify([...firsts.values()])}::jsonb) as ${FIELDS}
        order by id
        on conflict (workspace_id, id) do nothing
        returning id, occurred_at
      ), marks as (${insertMarks("session", "occurred_at", sql`created`, sql`${workspaceId}`)}
      ) select id from created`,
    row: z.object({ id: z.string() }),
  });
  const created = new Set(rows.map((row) => row.id));
  if (created.size > 0) ctx.cache.invalidate(workspaceId);
  if (created.size > 0)
    publishExecutions(ctx, workspaceId, { type: "events", created: created.size });
  const paths =
    created.size === messages.length ? [] : await contradictions(ctx, workspaceId, messages);
  return messages.map((message, index): ItemVerdict => {
    const path = paths[index] ?? null;
    if (path !== null)
      return {
        result: "conflict",
        code: "contradiction",
        path,
        detail: `The stored event says otherwise about ${path}; events do not change.`,
      };
    return { result: created.delete(message.id) ? "created" : "duplicate" };
  });
}

/** For each message the first field in which the stored event differs, or null. */
async function contradictions(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<(string | null)[]> {
  const free = (name: string) => (name === "occurred_at" ? sql` and not i.time_made` : sql``);
  const cases = COMPARED.map(
    (name) =>
      sql`when i.${sql.identifier(name)} is distinct from e.${sql.identifier(name)}${free(name)} then ${name}`,
  );
  const fields = sql`rows from (jsonb_to_recordset(${JSON.stringify(messages)}::jsonb) as (id text, event_type text, event_name text, user_id text,
    session_id text, occurred_at timestamptz, properties jsonb, time_made boolean)) with ordinality
    as i(id, event_type, event_name, user_id, session_id, occurred_at, properties, time_made, place)`;
  const rows = await ctx.db.all({
    sql: sql`select case ${sql.join(cases, sql` `)} end as path from ${fields}
      cross join lateral (select e.* from events e where ${keyInWorkspace(workspaceId, "e")} and e.id = i.id offset 0) e order by i.place`,
    row: z.object({ path: z.string().nullable() }),
  });
  return rows.map((row) => row.path);
}

/** Intake of events into one workspace. */
export function eventIntake(ctx: Context, workspaceId: string): IntakeKind<Message> {
  return {
    key: "events",
    workspaceId,
    check: checkEvent,
    store: (messages) => storeEvents(ctx, workspaceId, messages),
    idOf: (message) => message.id,
    dependsOnEarlier: () => false,
  };
}
