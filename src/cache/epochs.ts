import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";
import type { Log } from "../lib/log.ts";
import { epochKey } from "./keys.ts";

interface Epoch {
  /** Milliseconds and a random part: the greater one is the later one. */
  value: string;
  /** When this isolate last looked at KV, or made the value. */
  heardMs: number;
  /** When this isolate last wrote to KV. */
  writtenMs: number;
}

/** An isolate reads and writes a workspace's epoch in KV at most this often: each write is paid for, and KV takes one a second. */
const INTERVAL_MS = 10_000;
const MAX_BYTES = 1024 * 1024;
const KEPT_MS = 3_600_000;

const epochs = new BoundedStore<Epoch>(MAX_BYTES);

function keep(workspaceId: string, epoch: Epoch): void {
  const bounds = { bytes: bytesOf(epoch.value), untilMs: Date.now() + KEPT_MS };
  epochs.set(workspaceId, epoch, bounds);
}

/** The epoch as this isolate knows it, without waiting, if it has heard of it lately. */
export function heardEpoch(workspaceId: string): string | undefined {
  const known = epochs.get(workspaceId, Date.now());
  return known && Date.now() - known.heardMs < INTERVAL_MS ? known.value : undefined;
}

/** The workspace's epoch: answers of an earlier one are not given again. KV that fails leaves the one that is known. */
export async function currentEpoch(kv: KVNamespace, workspaceId: string, log: Log) {
  const heard = heardEpoch(workspaceId);
  if (heard !== undefined) return heard;
  const stored = await kv.get(epochKey(workspaceId)).catch((error: unknown) => {
    log.error("cache", error, { what: "epoch" });
    return null;
  });
  const known = epochs.get(workspaceId, Date.now());
  // What this isolate has made and KV does not show yet is the later one.
  const value = [stored ?? "0", known?.value ?? "0"].sort().at(-1) ?? "0";
  keep(workspaceId, { value, heardMs: Date.now(), writtenMs: known?.writtenMs ?? 0 });
  return value;
}

/**
 * Begins a new epoch. This isolate knows it at once; it is written to KV unless one was a short while ago, so that others give an
 * older answer for as long as an answer may be old, and no longer.
 * @returns the write, if there is one
 */
export function beginEpoch(
  kv: KVNamespace,
  workspaceId: string,
  log: Log,
): Promise<void> | undefined {
  const nowMs = Date.now();
  const known = epochs.get(workspaceId, nowMs);
  // Later than what is known, also where another isolate's clock is ahead.
  const laterMs = Math.max(nowMs, (Number.parseInt(known?.value ?? "0", 10) || 0) + 1);
  const value = `${laterMs}-${crypto.randomUUID().slice(0, 8)}`;
  const writtenMs = known?.writtenMs ?? 0;
  const isDue = nowMs - writtenMs >= INTERVAL_MS;
  keep(workspaceId, { value, heardMs: nowMs, writtenMs: isDue ? nowMs : writtenMs });
  if (!isDue) return undefined;
  return kv
    .put(epochKey(workspaceId), value)
    .catch((error: unknown) => log.error("cache", error, { what: "advance" }));
}
