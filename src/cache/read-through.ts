import type { z } from "zod";
import { sleep } from "../lib/backoff.ts";
import type { Log } from "../lib/log.ts";
import { CACHES, type CacheName, epochKey } from "./keys.ts";

export interface Cached<T> {
  value: T;
  cached: boolean;
  ageMs: number;
}

export interface Cache {
  /**
   * The cached answer, or the loaded one. Fresh answers come from this isolate, then from KV; a stale one is answered at once
   * and loaded anew behind it; several callers of one key share one load. KV failing only makes this slower.
   */
  read<N extends CacheName>(
    name: N,
    workspaceId: string,
    query: string,
    load: () => Promise<CacheValue<N>>,
  ): Promise<Cached<CacheValue<N>>>;
  /** The answer of this isolate's memory, without waiting, if it is fresh. */
  peek<N extends CacheName>(
    name: N,
    workspaceId: string,
    query: string,
  ): Cached<CacheValue<N>> | undefined;
  /** The workspace's data changed: answers from before are not given again (elsewhere after at most `EPOCH_SECONDS`). */
  advance(workspaceId: string): void;
}

type CacheValue<N extends CacheName> = z.output<(typeof CACHES)[N]["value"]>;
interface Entry {
  at: number;
  value: unknown;
}
interface Epoch {
  value: string;
  /** When this isolate last heard of it. */
  at: number;
  /** A write of it to KV is under way, and takes later values along. */
  writing: boolean;
}

/** An isolate asks KV for a workspace's epoch at most this often. */
const EPOCH_SECONDS = 10;
const MAX_ENTRIES = 1_000;
/** A larger answer is cheap to make compared with keeping it: it lives in KV only. */
const MAX_REMEMBERED_CHARS = 64 * 1024;
/** A load that has not ended by then belongs to a request that was killed. */
const MAX_LOAD_MS = 30_000;
const WRITE_INTERVAL_MS = 1_000;

// The isolate's memory, shared by all its requests: that is what makes it a cache.
const memory = new Map<string, Entry>();
const loading = new Map<string, { since: number; entry: Promise<Entry> }>();
const epochs = new Map<string, Epoch>();

function remember(key: string, entry: Entry): void {
  memory.delete(key);
  memory.set(key, entry);
  if (memory.size > MAX_ENTRIES) {
    const [oldest] = memory.keys();
    if (oldest !== undefined) memory.delete(oldest);
  }
}

export function createCache(
  kv: KVNamespace,
  waitUntil: (work: Promise<unknown>) => void,
  log: Log,
): Cache {
  const quietly = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      log.error("cache", error, { what });
      return null;
    }
  };

  const epochOf = async (workspaceId: string): Promise<string> => {
    const known = epochs.get(workspaceId);
    if (known && Date.now() - known.at < EPOCH_SECONDS * 1000) return known.value;
    const stored = await quietly("epoch", () => kv.get(epochKey(workspaceId)));
    const now = epochs.get(workspaceId);
    // What this isolate has made and KV may not show yet is the newer one.
    const value = now?.writing ? now.value : (stored ?? now?.value ?? "0");
    epochs.set(workspaceId, { value, at: Date.now(), writing: now?.writing ?? false });
    return value;
  };

  const advance = (workspaceId: string) => {
    const value = `${Date.now()}-${crypto.randomUUID().slice(0, 8)}`;
    const writing = epochs.get(workspaceId)?.writing ?? false;
    epochs.set(workspaceId, { value, at: Date.now(), writing: true });
    if (writing) return;
    // KV takes one write a second for a key: what comes within that second is written with the last of it.
    const write = async () => {
      await quietly("advance", () => kv.put(epochKey(workspaceId), value));
      await sleep(WRITE_INTERVAL_MS);
      const last = epochs.get(workspaceId);
      if (last && last.value !== value)
        await quietly("advance", () => kv.put(epochKey(workspaceId), last.value));
      if (last) last.writing = false;
    };
    waitUntil(write());
  };

  const read: Cache["read"] = async (name, workspaceId, query, load) => {
    const { freshSeconds, staleSeconds, value: schema } = CACHES[name];
    const key = `${name}:${workspaceId}:${await epochOf(workspaceId)}:${query}`;
    const ageOf = (entry: Entry) => Date.now() - entry.at;
    const answer = (entry: Entry, cached: boolean) => ({
      value: entry.value as never,
      cached,
      ageMs: cached ? ageOf(entry) : 0,
    });

    const fresh = () => {
      const running = loading.get(key);
      if (running && Date.now() - running.since < MAX_LOAD_MS) return running.entry;
      const started = (async () => {
        const entry = { at: Date.now(), value: await load() };
        const text = JSON.stringify(entry);
        if (text.length <= MAX_REMEMBERED_CHARS) remember(key, entry);
        waitUntil(
          quietly("put", async () =>
            kv.put(await kvKey(key), text, { expirationTtl: Math.max(60, staleSeconds) }),
          ),
        );
        return entry;
      })();
      const mine = { since: Date.now(), entry: started };
      loading.set(key, mine);
      const done = () => void (loading.get(key) === mine && loading.delete(key));
      // Others wait for this load too: it must end even if the request that began it is answered or gone.
      waitUntil(started.then(done, done));
      return started;
    };

    let entry = memory.get(key);
    if (!entry) {
      const stored = await quietly("get", async () => kv.get<Entry>(await kvKey(key), "json"));
      const parsed = stored ? schema.safeParse(stored.value) : undefined;
      if (stored && parsed?.success) {
        entry = { at: stored.at, value: parsed.data };
        remember(key, entry);
      }
    }
    if (!entry || ageOf(entry) > staleSeconds * 1000) return answer(await fresh(), false);
    if (ageOf(entry) > freshSeconds * 1000) waitUntil(quietly("refresh", fresh));
    return answer(entry, true);
  };

  const peek: Cache["peek"] = (name, workspaceId, query) => {
    const epoch = epochs.get(workspaceId);
    if (!epoch || Date.now() - epoch.at >= EPOCH_SECONDS * 1000) return undefined;
    const entry = memory.get(`${name}:${workspaceId}:${epoch.value}:${query}`);
    if (!entry) return undefined;
    const ageMs = Date.now() - entry.at;
    return ageMs > CACHES[name].freshSeconds * 1000
      ? undefined
      : { value: entry.value as never, cached: true, ageMs };
  };

  return { read, peek, advance };
}

/** KV keys have at most 512 bytes: the key's SHA-256. */
async function kvKey(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
