import type { Actor } from "./auth/actor.ts";
import { type Cache, createCache } from "./cache/read-through.ts";
import { type Config, readConfig } from "./config.ts";
import { connect, type Db } from "./db/client.ts";
import { createLog, type Log } from "./lib/log.ts";

/** What every door (HTTP, cron, queue, Durable Object) gives to the code behind it. */
export interface Context {
  config: Config;
  db: Db;
  cache: Cache;
  kv: KVNamespace;
  files: R2Bucket;
  queue: Env["JOBS"];
  feed: Env["FEED"];
  log: Log;
  /** Milliseconds since 1970. */
  now(): number;
  waitUntil(work: Promise<unknown>): void;
  actor: Actor;
}

export interface Door {
  waitUntil(work: Promise<unknown>): void;
}

export function createContext(env: Env, door: Door, actor: Actor, log: Log = createLog()): Context {
  const config = readConfig(env);
  const waitUntil = (work: Promise<unknown>) =>
    door.waitUntil(work.catch((error: unknown) => log.error("background", error)));
  return {
    config,
    db: connect(config.DATABASE_URL, config.NEON_ENDPOINT),
    cache: createCache(env.CACHE, waitUntil, log),
    kv: env.CACHE,
    files: env.FILES,
    queue: env.JOBS,
    feed: env.FEED,
    log,
    now: Date.now,
    waitUntil,
    actor,
  };
}
