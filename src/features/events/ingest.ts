import type { Context } from "../../context.ts";
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
import { type EventMessage, eventContradictions, insertEvents } from "./intake-queries.ts";
import { eventInput } from "./schema.ts";

function checkEvent(item: unknown, nowMs: number, made: GeneratedId): CheckedItem<EventMessage> {
  const id = givenId(item);
  const refuse = (error: FieldError): CheckedItem<EventMessage> => ({ ok: false, id, error });
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

/** Histories of customers that are older than any agent are events too. */
const FIRST_YEAR = 1970;

async function storeEvents(
  ctx: Context,
  workspaceId: string,
  messages: readonly EventMessage[],
): Promise<ItemVerdict[]> {
  if (messages.length === 0) return [];
  // Of several messages about one event the first is stored: rows of a statement have no order.
  const firsts = new Map<string, EventMessage>();
  for (const message of messages) if (!firsts.has(message.id)) firsts.set(message.id, message);
  const created = await insertEvents(ctx.db, workspaceId, [...firsts.values()]);
  if (created.size > 0) ctx.cache.invalidate(workspaceId);
  if (created.size > 0)
    publishExecutions(ctx, workspaceId, { type: "events", created: created.size });
  const paths =
    created.size === messages.length
      ? []
      : await eventContradictions(ctx.db, workspaceId, messages);
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

/** Intake of events into one workspace. */
export function eventIntake(ctx: Context, workspaceId: string): IntakeKind<EventMessage> {
  return {
    key: "events",
    workspaceId,
    check: checkEvent,
    store: (messages) => storeEvents(ctx, workspaceId, messages),
    idOf: (message) => message.id,
    dependsOnEarlier: () => false,
  };
}
