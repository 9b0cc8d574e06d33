import type { RollupUnit } from "../../analytics/rollups/definition.ts";
import type { RollupBucket } from "../../analytics/rollups/raw-parts.ts";
import type { Context } from "../../context.ts";
import { enqueue } from "../../messages.ts";
import {
  deleteAllRollups,
  deleteOldMinutes,
  lastMark,
  replaceBuckets,
  sampledBuckets,
  storeDifferences,
  waitingBuckets,
} from "./queries.ts";
import { type RollupSlices, rollupSlices } from "./slices.ts";

/** The time of one invocation; the rest continues through the queue, or with the next minute. */
const MAX_INVOCATION_MS = 20_000;
/** Transactions of a run beside each other, as intake has several too. */
const LANES = 2;
const SAMPLED_BUCKETS = 50;
const ROLLUP_UNITS = ["minute", "hour", "day", "session"] as const;

/**
 * Replaces the rollups of these buckets in one transaction; safe to run twice and beside another.
 */
export const recomputeRollups = (
  ctx: Context,
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
): Promise<void> => replaceBuckets(ctx.db, unit, buckets);

/** Whether the runs of a unit are switched on. */
export const areRollupsOn = ({ config }: Context, unit: RollupUnit) =>
  unit === "day" ? config.DAILY_ROLLUP_ENABLED : config.HOURLY_ROLLUP_ENABLED;

/**
 * Buckets by transactions that run beside each other: by workspace as far as there are several,
 * since two that give new users of one workspace their numbers wait for each other.
 */
function lanesOf(buckets: readonly RollupBucket[]): RollupBucket[][] {
  const byWorkspace = Map.groupBy(buckets, ({ workspaceId }) => workspaceId);
  const sorted = [...byWorkspace.values()].flat();
  const each = Math.ceil(sorted.length / LANES);
  return Array.from({ length: LANES }, (_, lane) =>
    sorted.slice(lane * each, (lane + 1) * each),
  ).filter((lane) => lane.length > 0);
}

/** Recomputes the buckets of one transaction. Caches outlive minutes, which change no number. */
async function recomputeLane(
  ctx: Context,
  unit: RollupUnit,
  lane: readonly RollupBucket[],
): Promise<number> {
  await recomputeRollups(ctx, unit, lane);
  if (unit !== "minute")
    for (const workspaceId of new Set(lane.map((bucket) => bucket.workspaceId)))
      ctx.cache.invalidate(workspaceId);
  return lane.length;
}

/**
 * Recomputes buckets in transactions beside each other.
 * @returns how many are done; those of a transaction that was too large are tried again in smaller
 *   ones
 */
async function recomputeLanes(
  ctx: Context,
  unit: RollupUnit,
  buckets: readonly RollupBucket[],
  slices: RollupSlices,
): Promise<number> {
  const startedMs = ctx.now();
  const lanes = lanesOf(buckets).map((lane) => recomputeLane(ctx, unit, lane));
  const ended = await Promise.allSettled(lanes);
  const failed = ended.find((end) => end.status === "rejected");
  if (!failed) slices.took(ctx.now() - startedMs);
  else if (slices.shrinks(failed.reason))
    ctx.log.info("rollups", { unit, buckets: buckets.length, tooMany: true });
  else throw failed.reason;
  return ended.reduce((sum, end) => sum + (end.status === "fulfilled" ? end.value : 0), 0);
}

/**
 * Recomputes every bucket of a unit that waits, slice by slice; the queue continues when its time
 * is up.
 * @param upTo the last mark of this run: marks that arrive meanwhile belong to the next run
 * @returns how many buckets were recomputed
 */
export async function runRollups(ctx: Context, unit: RollupUnit, upTo?: number): Promise<number> {
  const startedMs = ctx.now();
  const last = upTo ?? (await lastMark(ctx.db));
  const slices = rollupSlices(unit);
  let done = 0;
  for (;;) {
    const buckets = await waitingBuckets(ctx.db, unit, last, slices.size * LANES);
    if (buckets.length === 0) break;
    done += await recomputeLanes(ctx, unit, buckets, slices);
    const isLate = ctx.now() - startedMs > MAX_INVOCATION_MS;
    if (!isLate) continue;
    // Of minutes the next run soon takes what is left; the queue would run beside it.
    if (unit !== "minute") await enqueue(ctx, { type: "rollup.run", unit, upTo: last });
    break;
  }
  // Most minutes have nothing to say.
  if (done > 0 || unit !== "minute")
    ctx.log.info("rollups", { unit, buckets: done, ms: ctx.now() - startedMs });
  return done;
}

/** Deletes minutes that nobody reads any more. */
export const forgetMinutes = (ctx: Context): Promise<void> => deleteOldMinutes(ctx.db);

/**
 * Deletes every rollup row, and marks every hour with executions and every day with events; the
 * runs that follow make the same rows again.
 */
export const rebuildRollups = (ctx: Context): Promise<void> => deleteAllRollups(ctx.db);

/**
 * Recomputes a sample of buckets and stores the differences (rollup_differences).
 * @returns how many differ; it must be zero
 */
export async function reconcileRollups(ctx: Context, sample = SAMPLED_BUCKETS): Promise<number> {
  let found = 0;
  for (const unit of ROLLUP_UNITS) {
    const buckets = await sampledBuckets(ctx.db, unit, sample);
    if (buckets.length > 0) found += await storeDifferences(ctx.db, unit, buckets);
  }
  if (found > 0)
    ctx.log.error("reconcile", new Error("Rollups differ from raw rows"), { buckets: found });
  else ctx.log.info("reconcile", { differences: 0 });
  return found;
}
