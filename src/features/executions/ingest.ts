import type { Context } from "../../context.ts";
import type { IntakeKind, ItemVerdict } from "../../intake/items.ts";
import { FRAME_EXECUTIONS } from "../../realtime/protocol.ts";
import { publishExecutions } from "../../realtime/publish.ts";
import type { CorrectionBasis } from "./intake-queries.ts";
import { checkMessage, type Message } from "./message.ts";
import { type MessageOutcome, mergeKnown, storeMessages } from "./store.ts";

/**
 * Tells the cache and the feed. Who a run is of may have been said by another message: the feed
 * tells it of each.
 */
function announce(ctx: Context, workspaceId: string, stored: Map<Message, MessageOutcome>): void {
  const changed = [...stored].flatMap(([message, { verdict, userId }]) =>
    verdict.result === "created" || verdict.result === "updated"
      ? [{ message, userId, change: verdict.result }]
      : [],
  );
  if (changed.length === 0) return;
  ctx.cache.invalidate(workspaceId);
  const created = changed.filter(({ change }) => change === "created").length;
  const executions = changed
    .slice(0, FRAME_EXECUTIONS)
    .map(({ message: { id, agent_id, status }, userId, change }) => ({
      id,
      agent_id,
      user_id: userId,
      status,
      change,
    }));
  publishExecutions(ctx, workspaceId, {
    type: "executions",
    created,
    updated: changed.length - created,
    executions,
  });
}

/** Stores messages, tells the cache and the feed, and gives a verdict for each. */
export async function ingestMessages(
  ctx: Context,
  workspaceId: string,
  messages: readonly Message[],
): Promise<ItemVerdict[]> {
  const stored = await storeMessages(ctx, workspaceId, messages);
  announce(ctx, workspaceId, stored);
  return messages.map((message): ItemVerdict => {
    const found = stored.get(message);
    if (!found) throw new Error("A message was stored without a verdict");
    return found.verdict;
  });
}

/**
 * Stores a message as the next revision of exactly the row it was made from: where that has changed
 * meanwhile nothing is written.
 * @returns whether it was stored
 */
export async function supersede(
  ctx: Context,
  workspaceId: string,
  message: Message,
  basis: CorrectionBasis,
): Promise<boolean> {
  const stored = await mergeKnown(ctx, workspaceId, [message], basis);
  announce(ctx, workspaceId, stored);
  return stored.get(message)?.verdict.result === "updated";
}

/** Intake of executions into one workspace. */
export function executionIntake(ctx: Context, workspaceId: string): IntakeKind<Message> {
  return {
    key: "executions",
    workspaceId,
    check: checkMessage,
    store: (messages) => ingestMessages(ctx, workspaceId, messages),
    idOf: (message) => message.id,
    dependsOnEarlier: (message) => message.started_at === undefined,
  };
}
