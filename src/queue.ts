import { type Context, createContext } from "./context.ts";
import { giveUpJob } from "./db/jobs.ts";
import { jobs as exportJobs } from "./features/exports/queries.ts";
import { runExport } from "./features/exports/run.ts";
import { bury } from "./features/jobs/dead-letters.ts";
import { deliver, giveUpDelivery } from "./features/reports/deliver.ts";
import { jobs as reportJobs } from "./features/reports/queries.ts";
import { runReport } from "./features/reports/run.ts";
import { areRollupsOn, runRollups } from "./features/rollups/run.ts";
import { backoff } from "./lib/backoff.ts";
import { createLog } from "./lib/log.ts";
import { type Message, message } from "./messages.ts";

interface Consumer<M> {
  run(ctx: Context, body: M): Promise<unknown>;
  /** What is left to say when the message is given up. */
  giveUp?(ctx: Context, body: M, reason: string): Promise<unknown>;
}

const GIVEN_UP = "It failed at every attempt; an operator can see why and start it again.";
const CONSUMERS: { [T in Message["type"]]: Consumer<Extract<Message, { type: T }>> } = {
  "rollup.run": {
    run: async (ctx, { unit, upTo }) =>
      areRollupsOn(ctx, unit) && (await runRollups(ctx, unit, upTo)),
  },
  "export.run": {
    run: (ctx, { workspaceId, id, again }) => runExport(ctx, workspaceId, id, { again }),
    giveUp: (ctx, job) => giveUpJob(exportJobs(ctx), job, GIVEN_UP),
  },
  "report.run": {
    run: (ctx, { workspaceId, id, again }) => runReport(ctx, workspaceId, id, again),
    giveUp: (ctx, job) => giveUpJob(reportJobs(ctx), job, GIVEN_UP),
  },
  "report.deliver": {
    run: (ctx, { workspaceId, id, again }) => deliver(ctx, workspaceId, id, again),
    giveUp: (ctx, { workspaceId, id }) => giveUpDelivery(ctx, workspaceId, id),
  },
};
const BASE_SECONDS = 5;
const CAP_SECONDS = 900;
/** The first delivery and `max_retries` of wrangler.toml. */
export const MAX_ATTEMPTS = 6;
const REASON = "Given up by the queue";
const DEAD_QUEUE = "shadower-jobs-dead";

const reasonOf = (error: unknown) =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);

/** What the platform gave up, or what is no message of ours, is kept where somebody can look at it. */
async function collect(batch: MessageBatch, env: Env, door: ExecutionContext): Promise<void> {
  for (const delivery of batch.messages) {
    const log = createLog({ message: delivery.id });
    try {
      const ctx = createContext(env, door, { kind: "system", task: "dead-letters" }, log);
      await bury(ctx, delivery.id, delivery.body, REASON, delivery.attempts);
      const parsed = message.safeParse(delivery.body);
      if (parsed.success)
        await (CONSUMERS[parsed.data.type] as Consumer<Message>).giveUp?.(ctx, parsed.data, REASON);
      delivery.ack();
    } catch (error) {
      log.error("dead-letter", error);
      delivery.retry({ delaySeconds: CAP_SECONDS });
    }
  }
}

/**
 * The only policy of acknowledgement: a consumer returns (done) or throws (again, later, with jitter). After the last attempt,
 * and at once when it is no message of ours, the message is kept as a dead letter with the reason.
 */
async function consume(
  delivery: globalThis.Message,
  env: Env,
  door: ExecutionContext,
): Promise<void> {
  const log = createLog({ message: delivery.id, attempt: delivery.attempts });
  const later = () =>
    delivery.retry({
      delaySeconds: Math.ceil(BASE_SECONDS + backoff(delivery.attempts, BASE_SECONDS, CAP_SECONDS)),
    });
  const parsed = message.safeParse(delivery.body);
  const ctx = createContext(
    env,
    door,
    { kind: "system", task: parsed.success ? parsed.data.type : "unknown" },
    log,
  );
  const consumer = parsed.success ? (CONSUMERS[parsed.data.type] as Consumer<Message>) : undefined;
  try {
    if (!parsed.success || !consumer) throw new TypeError("Unknown message");
    await consumer.run(ctx, parsed.data);
    delivery.ack();
  } catch (error) {
    log.error("message", error);
    if (parsed.success && delivery.attempts < MAX_ATTEMPTS) return later();
    try {
      await bury(ctx, delivery.id, delivery.body, reasonOf(error), delivery.attempts);
      if (parsed.success) await consumer?.giveUp?.(ctx, parsed.data, reasonOf(error));
      delivery.ack();
    } catch (failure) {
      log.error("dead-letter", failure);
      later();
    }
  }
}

export async function queue(batch: MessageBatch, env: Env, door: ExecutionContext): Promise<void> {
  if (batch.queue === DEAD_QUEUE) return collect(batch, env, door);
  for (const delivery of batch.messages) await consume(delivery, env, door);
}
