import { BoundedStore, bytesOf } from "../lib/bounded-store.ts";
import type { Log } from "../lib/log.ts";
import { epochKey } from "./keys.ts";

interface Epoch {
  /** Milliseconds and a random part: the greater value is the later one. */
  value: string;
  /** The time of this isolate's last read from KV, or of the value. */
  heardMs: number;
  /** The time of this isolate's last write to KV. */
  writtenMs: number;
}

/** The least time between two reads or writes of a workspace's epoch: KV bills each write. */
const INTERVAL_MS = 10_000;
const MAX_BYTES = 1024 * 1024;
const KEPT_MS = 3_600_000;

const epochs = new BoundedStore<Epoch>(MAX_BYTES);

function keep(workspaceId: string, epoch: Epoch): void {
  const bounds = { bytes: bytesOf(epoch.value), untilMs: Date.now() + KEPT_MS };
  epochs.set(workspaceId, epoch, bounds);
}

/** The epoch that this isolate knows, if it is recent; never waits. */
export function heardEpoch(workspaceId: string): string | undefined {
  const known = epochs.get(workspaceId, Date.now());
  return known && Date.now() - known.heardMs < INTERVAL_MS ? known.value : undefined;
}

/** The workspace's epoch: answers of earlier epochs are not used. If KV fails, the known one. */
export async function currentEpoch(kv: KVNamespace, workspaceId: string, log: Log) {
  const heard = heardEpoch(workspaceId);
  if (heard !== undefined) return heard;
  const stored = await kv.get(epochKey(workspaceId)).catch((error: unknown) => {
    log.error("cache", error, { what: "epoch" });
    return null;
  });
  const known = epochs.get(workspaceId, Date.now());
  // KV may not yet show the epoch that this isolate began.
  const value = [stored ?? "0", known?.value ?? "0"].sort().at(-1) ?? "0";
  keep(workspaceId, { value, heardMs: Date.now(), writtenMs: known?.writtenMs ?? 0 });
  return value;
}

/**
 * Begins a new epoch. This isolate knows it at once. It is written to KV unless the last write was
 * a short while ago, so that other isolates use older answers only while these may be stale.
 * @returns the write, if there is one
 */
export function beginEpoch(
  kv: KVNamespace,
  workspaceId: string,
  log: Log,
): Promise<void> | undefined {
  const nowMs = Date.now();
  const known = epochs.get(workspaceId, nowMs);
  // Later than the known one, even if another isolate's clock is ahead.
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
