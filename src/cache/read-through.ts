import type { z } from "zod";
import { BoundedStore } from "../lib/bounded-store.ts";
import { sha256Hex } from "../lib/digest.ts";
import type { Log } from "../lib/log.ts";
import { beginEpoch, currentEpoch, heardEpoch } from "./epochs.ts";
import { CACHE_NAMES, type CacheName } from "./keys.ts";
import { isLoading, loadOnce } from "./single-flight.ts";

export interface CachedAnswer<T> {
  value: T;
  cached: boolean;
  ageMs: number;
}

export interface AnswerCache {
  /**
   * The cached answer, or the loaded one. Fresh answers come from this isolate, then from KV. A
   * stale one is returned at once and refreshed behind it. Callers of one key share one load. A
   * failure of KV only makes this slower.
   */
  read<N extends CacheName>(
    name: N,
    workspaceId: string,
    query: string,
    load: () => Promise<CacheValue<N>>,
  ): Promise<CachedAnswer<CacheValue<N>>>;
  /** The answer in this isolate's memory if it is fresh; never waits. */
  getFresh<N extends CacheName>(
    name: N,
    workspaceId: string,
    query: string,
  ): CachedAnswer<CacheValue<N>> | undefined;
  /** Discards the workspace's answers here; other isolates use theirs until they are stale. */
  invalidate(workspaceId: string): void;
}

type CacheValue<N extends CacheName> = z.output<(typeof CACHE_NAMES)[N]["value"]>;
interface Entry {
  /** The time when its load began (milliseconds). */
  at: number;
  value: unknown;
  /** Length of the value as JSON. */
  chars: number;
  /** KV has it, or will have it. */
  isStored: boolean;
}

interface Found {
  entry: Entry;
  cached: boolean;
}

const MAX_BYTES = 16 * 1024 * 1024;
/** A longer key is replaced by its digest. */
const MAX_KEY_CHARS = 512;
/** An answer that took longer is written to KV at once. */
const COSTLY_MS = 250;
/** Writes of answers to KV by one isolate in a minute: KV bills each. */
const MAX_WRITES_PER_MINUTE = 60;

// Shared by all requests of the isolate.
const memory = new BoundedStore<Entry>(MAX_BYTES);
let writes = { minute: 0, count: 0 };

function mayWrite(): boolean {
  const minute = Math.floor(Date.now() / 60_000);
  if (writes.minute !== minute) writes = { minute, count: 0 };
  return writes.count++ < MAX_WRITES_PER_MINUTE;
}

export function createCache(
  kv: KVNamespace,
  waitUntil: (work: Promise<unknown>) => void,
  log: Log,
): AnswerCache {
  const quietly = async <T>(what: string, work: () => Promise<T>): Promise<T | null> => {
    try {
      return await work();
    } catch (error) {
      log.error("cache", error, { what });
      return null;
    }
  };
  const remember = (key: string, entry: Entry, keptSeconds: number) =>
    memory.set(key, entry, { bytes: 2 * entry.chars, untilMs: entry.at + keptSeconds * 1000 });

  /** Writes an answer to KV when it is read again; most questions are asked once. */
  const share = (key: string, entry: Entry, keptSeconds: number) => {
    if (entry.isStored || !mayWrite()) return;
    entry.isStored = true;
    const text = JSON.stringify({ at: entry.at, value: entry.value });
    const options = { expirationTtl: Math.max(60, keptSeconds) };
    waitUntil(quietly("put", async () => kv.put(await kvKey(key), text, options)));
  };

  const read: AnswerCache["read"] = async (name, workspaceId, query, load) => {
    const { freshSeconds, staleSeconds, value: schema } = CACHE_NAMES[name];
    const key = await memoryKey(name, workspaceId, await currentEpoch(kv, workspaceId, log), query);
    const isExpired = ({ at }: { at: number }) => Date.now() - at > staleSeconds * 1000;
    const loadAnew = async (): Promise<Found> => {
      // The answer is as old as its load: it may lack changes that happen meanwhile.
      const at = Date.now();
      const value = await load();
      const chars = JSON.stringify(value).length;
      const entry: Entry = { at, value, chars, isStored: false };
      remember(key, entry, staleSeconds);
      if (Date.now() - at >= COSTLY_MS) share(key, entry, staleSeconds);
      return { entry, cached: false };
    };
    const fromKv = async (): Promise<Found | undefined> => {
      const text = await quietly("get", async () => kv.get(await kvKey(key)));
      const stored = text ? parsed(text) : undefined;
      const valid = schema.safeParse(stored?.value);
      if (text === null || !stored || !valid.success || isExpired(stored)) return undefined;
      const entry: Entry = { ...stored, value: valid.data, chars: text.length, isStored: true };
      remember(key, entry, staleSeconds);
      return { entry, cached: true };
    };
    const loadTogether = (work: () => Promise<Found>): Promise<Found> => {
      const found = loadOnce(key, work);
      // Others wait for this too: it continues even if the caller that began it has left.
      waitUntil(found.catch(() => undefined));
      return found;
    };

    const held = memory.get(key, Date.now());
    if (held) share(key, held, staleSeconds);
    const { entry, cached } = held
      ? { entry: held, cached: true }
      : await loadTogether(async () => (await fromKv()) ?? (await loadAnew()));
    const ageMs = Date.now() - entry.at;
    if (cached && ageMs > freshSeconds * 1000 && !isLoading(key))
      waitUntil(quietly("refresh", () => loadTogether(loadAnew)));
    return { value: entry.value as never, cached, ageMs: cached ? ageMs : 0 };
  };

  const getFresh: AnswerCache["getFresh"] = (name, workspaceId, query) => {
    const epoch = heardEpoch(workspaceId);
    if (epoch === undefined) return undefined;
    const { freshSeconds, staleSeconds } = CACHE_NAMES[name];
    const key = plainKey(name, workspaceId, epoch, query);
    const entry = memory.get(key, Date.now());
    if (!entry) return undefined;
    const ageMs = Date.now() - entry.at;
    if (ageMs > freshSeconds * 1000) return undefined;
    share(key, entry, staleSeconds);
    return { value: entry.value as never, cached: true, ageMs };
  };

  const invalidate: AnswerCache["invalidate"] = (workspaceId) => {
    const write = beginEpoch(kv, workspaceId, log);
    if (write) waitUntil(write);
  };

  return { read, getFresh, invalidate };
}

const plainKey = (name: string, workspaceId: string, epoch: string, query: string) =>
  `${name}:${workspaceId}:${epoch}:${query}`;

async function memoryKey(...parts: Parameters<typeof plainKey>): Promise<string> {
  const key = plainKey(...parts);
  return key.length <= MAX_KEY_CHARS ? key : sha256Hex(key);
}

/** KV keys have at most 512 bytes: the key's digest. */
const kvKey = sha256Hex;

/** Values of KV are parsed like any other input. */
function parsed(text: string): { at: number; value: unknown } | undefined {
  try {
    const held = JSON.parse(text) as { at?: unknown; value?: unknown } | null;
    return typeof held?.at === "number" ? { at: held.at, value: held.value } : undefined;
  } catch {
    return undefined;
  }
}
