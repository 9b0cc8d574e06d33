import { type Context, createContext } from "./context.ts";
import { runExport } from "./features/exports/runs/run.ts";
import { runReport } from "./features/reports/runs/run.ts";
import { sendNextDelivery } from "./features/reports/sharing/deliver.ts";
import { reopenDelivery } from "./features/reports/sharing/delivery-queries.ts";
import { areRollupsOn, runRollups } from "./features/rollups/run.ts";
import { saveDeadLetter } from "./jobs/dead-letters.ts";
import { type JobOutcome, settleJob } from "./jobs/endings.ts";
import { reopenJob } from "./jobs/lease.ts";
import { takeJob, waitingJob } from "./jobs/turns.ts";
import { backoff } from "./lib/backoff.ts";
import { createLog } from "./lib/log.ts";
import { enqueue, JOB_MESSAGES, type QueueMessage, queueMessage } from "./messages.ts";

/** Result of a message: a job or a delivery whose turn it was, of any workspace. */
interface Done {
  body: QueueMessage;
  attempts: number;
  outcome: JobOutcome;
}

const RUNNERS = { exports: runExport, report_runs: runReport };

async function runNext(ctx: Context): Promise<Done | undefined> {
  const token = crypto.randomUUID();
  const taken = await takeJob(ctx.db, ctx.config.QUOTAS.jobs_at_work, token);
  if (!taken) return undefined;
  const { kind, workspace_id: workspaceId, id, attempts } = taken;
  const job = { workspaceId, id, token, attempts };
  const outcome = await RUNNERS[kind](ctx, job).catch((error: unknown) =>
    settleJob({ db: ctx.db, table: kind }, job, error),
  );
  // Messages that came while the workspace was at its limit are used up: call for the next job.
  const next = await waitingJob(ctx.db, workspaceId);
  if (next) await enqueue(ctx, { type: JOB_MESSAGES[next.kind], workspaceId, id: next.id });
  return { body: { type: JOB_MESSAGES[kind], workspaceId, id }, attempts, outcome };
}

async function sendNext(ctx: Context): Promise<Done | undefined> {
  const done = await sendNextDelivery(ctx);
  return done && { ...done, body: { type: "report.deliver", ...done.job } };
}

interface Consumer<M> {
  run(ctx: Context, body: M): Promise<Done | undefined>;
  /** The database has the job and finds it again, so that its message need not be stored. */
  isHint: boolean;
}

const CONSUMERS: { [T in QueueMessage["type"]]: Consumer<Extract<QueueMessage, { type: T }>> } = {
  "rollup.run": {
    isHint: false,
    run: async (ctx, { unit, upTo }) => {
      if (areRollupsOn(ctx, unit)) await runRollups(ctx, unit, upTo);
      return undefined;
    },
  },
  "export.run": {
    isHint: true,
    run: async (ctx, { again, ...job }) => {
      if (again) await reopenJob({ db: ctx.db, table: "exports" }, job);
      return runNext(ctx);
    },
  },
  "report.run": {
    isHint: true,
    run: async (ctx, { again, ...job }) => {
      if (again) await reopenJob({ db: ctx.db, table: "report_runs" }, job);
      return runNext(ctx);
    },
  },
  "report.deliver": {
    isHint: true,
    run: async (ctx, { again, ...job }) => {
      if (again) await reopenDelivery(ctx, job);
      return sendNext(ctx);
    },
  },
};
const BASE_SECONDS = 5;
const CAP_SECONDS = 900;
/** The first delivery and `max_retries` of wrangler.toml. */
export const MAX_MESSAGE_ATTEMPTS = 6;
const REASON = "Given up by the queue";
const DEAD_QUEUE = "shadower-jobs-dead";
const CONCURRENT_QUEUE = "shadower-deliveries";

const reasonOf = (error: unknown) => {
  const { name, message: words, cause } = error instanceof Error ? error : new Error(String(error));
  return `${name}: ${words}${cause instanceof Error ? ` (${cause.name}: ${cause.message})` : ""}`;
};

/** Stores messages from the dead-letter queue, including ones that cannot be parsed. */
async function handleDeadLetters(
  batch: MessageBatch,
  env: Env,
  executionCtx: ExecutionContext,
): Promise<void> {
  for (const delivery of batch.messages) {
    const log = createLog({ message: delivery.id });
    try {
      const ctx = createContext(env, executionCtx, { kind: "system", task: "dead-letters" }, log);
      await saveDeadLetter(ctx, delivery.id, delivery.body, REASON, delivery.attempts);
      delivery.ack();
    } catch (error) {
      log.error("dead-letter", error);
      delivery.retry({ delaySeconds: CAP_SECONDS });
    }
  }
}

/** Plans the next attempt, or stores a dead letter for a failure that an operator must see. */
async function follow(ctx: Context, id: string, { body, attempts, outcome }: Done): Promise<void> {
  if (outcome.status === "done" || outcome.status === "lost") return;
  ctx.log.error("job", outcome.error, { ...body, outcome: outcome.status });
  if (outcome.status === "again") await enqueue(ctx, body, outcome.afterSeconds);
  else if (!outcome.isKnown) await saveDeadLetter(ctx, id, body, reasonOf(outcome.error), attempts);
}

/**
 * Runs the consumer of a message. A message whose consumer throws is retried later, with jitter.
 * After the last attempt, or at once if it cannot be parsed, it becomes a dead letter.
 */
async function handleMessage(
  delivery: globalThis.Message,
  env: Env,
  executionCtx: ExecutionContext,
): Promise<void> {
  const log = createLog({ message: delivery.id, attempt: delivery.attempts });
  const later = () =>
    delivery.retry({
      delaySeconds: Math.ceil(BASE_SECONDS + backoff(delivery.attempts, BASE_SECONDS, CAP_SECONDS)),
    });
  const parsed = queueMessage.safeParse(delivery.body);
  const task = parsed.success ? parsed.data.type : "unknown";
  const deadline = task === "rollup.run" ? "maintenance" : "request";
  const ctx = createContext(env, executionCtx, { kind: "system", task }, log, deadline);
  const consumer = parsed.success
    ? (CONSUMERS[parsed.data.type] as Consumer<QueueMessage>)
    : undefined;
  try {
    if (!parsed.success || !consumer) throw new TypeError("Unknown message");
    const done = await consumer.run(ctx, parsed.data);
    if (done) await follow(ctx, delivery.id, done);
    delivery.ack();
  } catch (error) {
    log.error("message", error);
    if (parsed.success && delivery.attempts < MAX_MESSAGE_ATTEMPTS) return later();
    if (consumer?.isHint) return delivery.ack();
    try {
      await saveDeadLetter(ctx, delivery.id, delivery.body, reasonOf(error), delivery.attempts);
      delivery.ack();
    } catch (failure) {
      log.error("dead-letter", failure);
      later();
    }
  }
}

export async function handleQueue(
  batch: MessageBatch,
  env: Env,
  executionCtx: ExecutionContext,
): Promise<void> {
  if (batch.queue === DEAD_QUEUE) return handleDeadLetters(batch, env, executionCtx);
  const all = batch.messages.map((delivery) => () => handleMessage(delivery, env, executionCtx));
  if (batch.queue === CONCURRENT_QUEUE) await Promise.all(all.map((each) => each()));
  else for (const each of all) await each();
}
