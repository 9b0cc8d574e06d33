import { type Context, createContext } from "./context.ts";
import { runRollups } from "./features/rollups/run.ts";
import { backoff } from "./lib/backoff.ts";
import { createLog } from "./lib/log.ts";
import { type Message, message } from "./messages.ts";

const CONSUMERS: { [T in Message["type"]]: (ctx: Context, body: Extract<Message, { type: T }>) => Promise<unknown> } = {
  "rollup.run": (ctx, { unit, upTo }) => runRollups(ctx, unit, upTo),
};
const BASE_SECONDS = 5;
const CAP_SECONDS = 900;

/**
 * The only policy of acknowledgement: a consumer returns (done) or throws (again, later, with jitter; after the queue's
 * `max_retries` to the dead letters). What is no message of ours goes there too, where somebody can look at it.
 */
export async function queue(batch: MessageBatch, env: Env, door: ExecutionContext): Promise<void> {
  for (const delivery of batch.messages) {
    const log = createLog({ message: delivery.id, attempt: delivery.attempts });
    const parsed = message.safeParse(delivery.body);
    if (!parsed.success) {
      log.error("message", new Error("Unknown message"));
      delivery.retry({ delaySeconds: BASE_SECONDS });
      continue;
    }
    try {
      await CONSUMERS[parsed.data.type](createContext(env, door, { kind: "system", task: parsed.data.type }, log), parsed.data);
      delivery.ack();
    } catch (error) {
      log.error("message", error);
      delivery.retry({ delaySeconds: Math.ceil(BASE_SECONDS + backoff(delivery.attempts, BASE_SECONDS, CAP_SECONDS)) });
    }
  }
}
