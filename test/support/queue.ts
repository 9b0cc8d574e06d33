import {
  createExecutionContext,
  createMessageBatch,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { QueueMessage } from "../../src/messages.ts";
import { handleQueue } from "../../src/queue.ts";

/** Delivers a message to the Worker's consumer, and what that sends, until nothing is left. */
export async function consumeMessages(first: QueueMessage): Promise<void> {
  const waiting: QueueMessage[] = [first];
  const queue = { send: async (body: QueueMessage) => void waiting.push(body) };
  const world = { ...env, JOBS: queue, DELIVERIES: queue, ROLLUPS: queue } as unknown as Env;
  for (let body = waiting.shift(); body !== undefined; body = waiting.shift()) {
    const door = createExecutionContext();
    const message = { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body };
    await handleQueue(createMessageBatch("shadower-jobs", [message]), world, door);
    await waitOnExecutionContext(door);
  }
}
