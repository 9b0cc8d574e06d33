import type { Actor } from "./auth/actor.ts";
import { type AnswerCache, createCache } from "./cache/read-through.ts";
import { type Config, readConfig } from "./config.ts";
import { connect } from "./db/client.ts";
import { DEADLINES, type DeadlineName } from "./db/deadlines.ts";
import { type SnapshotSource, withSnapshot } from "./db/snapshot.ts";
import { withDeadlines } from "./lib/deadline.ts";
import { createLog, type Log } from "./lib/log.ts";
import type { EpochUs } from "./lib/time.ts";

export type QueueName = "jobs" | "deliveries" | "rollups";

/** The context that every entry point (HTTP, cron, queue, Durable Object) builds. */
export interface Context extends SnapshotSource {
  config: Config;
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

/** Time limits of calls to the platform, in milliseconds; db/deadlines.ts has the database's. */
const CALL_LIMITS_MS = { kv: 2_000, files: 30_000, queue: 5_000 };

/**
 * A session is for what is too long for a statement: each of its statements may take so many times
 * as long.
 */
const SESSION_FACTOR = 3;

/** @param deadline the limit of the statements, by who waits for them */
export function createContext(
  env: Env,
  executionCtx: ExecutionCtx,
  actor: Actor,
  log: Log = createLog(),
  deadline: DeadlineName = "request",
): Context {
  const config = readConfig(env);
  const waitUntil = (work: Promise<unknown>) =>
    executionCtx.waitUntil(work.catch((error: unknown) => log.error("background", error)));
  const limitMs =
    deadline === "request" ? config.STATEMENT_TIMEOUT_SECONDS * 1000 : DEADLINES[deadline];
  const kv = withDeadlines(env.CACHE, "The key-value store", CALL_LIMITS_MS.kv);
  return {
    config,
    db: connect(config.DATABASE_URL, config.NEON_ENDPOINT, limitMs),
    inSnapshot: (work) =>
      withSnapshot(config.DATABASE_URL, config.NEON_ENDPOINT, work, SESSION_FACTOR * limitMs),
    cache: createCache(kv, waitUntil, log),
    kv,
    files: withDeadlines(env.FILES, "The file store", CALL_LIMITS_MS.files),
    queues: {
      jobs: withDeadlines(env.JOBS, "The queue", CALL_LIMITS_MS.queue),
      deliveries: withDeadlines(env.DELIVERIES, "The queue", CALL_LIMITS_MS.queue),
      rollups: withDeadlines(env.ROLLUPS, "The queue", CALL_LIMITS_MS.queue),
    },
    feed: env.FEED,
    log,
    now: Date.now,
    // Through `this`, so that a copy of the context with another clock has one time.
    nowUs() {
      return this.now() * 1000;
    },
    waitUntil,
    actor,
  };
}
