import type { Context } from "../../context.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";
import {
  type AgedTable,
  deleteOldest,
  OLD_EVENTS,
  OLD_EXECUTIONS,
  workspacesWithOldExecutions,
  workspacesWithRetention,
} from "./queries.ts";

const BATCH = 2_000;
const MAX_INVOCATION_MS = 20_000;

/**
 * Deletes the rows of a workspace from before a moment, batch by batch, until none are left or the
 * time is up.
 * @param untilMs milliseconds since 1970
 * @returns how many rows were deleted
 */
async function deleteAged(
  ctx: Context,
  workspaceId: string,
  aged: AgedTable,
  before: EpochUs,
  untilMs: number,
): Promise<number> {
  let deleted = 0;
  for (let count = BATCH; count >= BATCH && ctx.now() < untilMs; ) {
    count = await deleteOldest(ctx.db, workspaceId, aged, before, BATCH);
    deleted += count;
  }
  if (deleted > 0) ctx.cache.invalidate(workspaceId);
  return deleted;
}

/**
 * Deletes executions of all workspaces that are in the partition of old ones and from before a
 * moment. Bounded like `applyRetention`.
 * @returns how many were deleted
 */
export async function deleteOld(ctx: Context, before: EpochUs): Promise<number> {
  const untilMs = ctx.now() + MAX_INVOCATION_MS;
  let deleted = 0;
  for (const id of await workspacesWithOldExecutions(ctx.db))
    deleted += await deleteAged(ctx, id, OLD_EXECUTIONS, before, untilMs);
  return deleted;
}

/**
 * Deletes executions with their keys, and events, that are older than the workspace's
 * retention_days (whole UTC days). The next run of the rollups empties those days. The time is
 * bounded: the rest waits for the next night.
 * @returns how many rows were deleted
 */
export async function applyRetention(ctx: Context): Promise<number> {
  const untilMs = ctx.now() + MAX_INVOCATION_MS;
  const today = Math.floor(ctx.nowUs() / DAY_US) * DAY_US;
  let deleted = 0;
  for (const { id, days } of await workspacesWithRetention(ctx.db)) {
    const before = today - days * DAY_US;
    for (const aged of [OLD_EXECUTIONS, OLD_EVENTS])
      deleted += await deleteAged(ctx, id, aged, before, untilMs);
  }
  ctx.log.info("retention", { deleted });
  return deleted;
}
