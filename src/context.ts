import type { Actor } from "./auth/actor.ts";
import { type AnswerCache, createCache } from "./cache/read-through.ts";
import { type Config, readConfig } from "./config.ts";
import { connect, type Db } from "./db/client.ts";
import { DEADLINES, type DeadlineName } from "./db/deadlines.ts";
import { withDeadlines } from "./lib/deadline.ts";
import { createLog, type Log } from "./lib/log.ts";
import type { EpochUs } from "./lib/time.ts";

export type QueueName = "jobs" | "deliveries" | "rollups";

/** What every door (HTTP, cron, queue, Durable Object) gives to the code behind it. */
export interface Context {
  config: Config;
  db: Db;
  cache: AnswerCache;
  kv: KVNamespace;
  files: R2Bucket;
  queues: Record<QueueName, Pick<Queue, "send" | "metrics">>;
  feed: Env["FEED"];
  log: Log;
  /** Milliseconds since 1970. */
  now(): number;
  /** The same moment in microseconds, as the analytics and the database count time. */
  nowUs(): EpochUs;
  waitUntil(work: Promise<unknown>): void;
  actor: Actor;
}

export interface ExecutionCtx {
  waitUntil(work: Promise<unknown>): void;
}

/** How long a call to a part of the platform may take, in milliseconds; the database has its own (db/deadlines.ts). */
const CALLS = { kv: 2_000, files: 30_000, queue: 5_000 };

/** @param deadline who waits for the statements */
export function createContext(
  env: Env,
  door: ExecutionCtx,
  actor: Actor,
  log: Log = createLog(),
  deadline: DeadlineName = "request",
): Context {
  const config = readConfig(env);
  const waitUntil = (work: Promise<unknown>) =>
    door.waitUntil(work.catch((error: unknown) => log.error("background", error)));
  const limitMs =
    deadline === "request" ? config.STATEMENT_TIMEOUT_SECONDS * 1000 : DEADLINES[deadline];
  const kv = withDeadlines(env.CACHE, "The key-value store", CALLS.kv);
  return {
    config,
    db: connect(config.DATABASE_URL, config.NEON_ENDPOINT, limitMs),
    cache: createCache(kv, waitUntil, log),
    kv,
    files: withDeadlines(env.FILES, "The file store", CALLS.files),
    queues: {
      jobs: withDeadlines(env.JOBS, "The queue", CALLS.queue),
      deliveries: withDeadlines(env.DELIVERIES, "The queue", CALLS.queue),
      rollups: withDeadlines(env.ROLLUPS, "The queue", CALLS.queue),
    },
    feed: env.FEED,
    log,
    now: Date.now,
    // By `this`: a context made from another one with a clock of its own has one time.
    nowUs() {
      return this.now() * 1000;
    },
    waitUntil,
    actor,
  };
}
