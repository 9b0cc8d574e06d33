import type { Context } from "../../context.ts";
import { closeSilent } from "./queries.ts";

const BATCH = 1000;

/**
 * Closes runs that have been silent for longer than their workspace's limit: `timeout`, marked
 * stale. A real end that arrives later still replaces it.
 * @returns how many were closed
 */
export async function closeStale(ctx: Context): Promise<number> {
  let closed = 0;
  for (;;) {
    const rows = await closeSilent(ctx.db, ctx.config.STALE_AFTER_MINUTES, BATCH);
    const closedNow = rows.reduce((sum, row) => sum + row.closed, 0);
    for (const row of rows) ctx.cache.invalidate(row.workspace_id);
    closed += closedNow;
    if (closedNow < BATCH) break;
  }
  ctx.log.info("stale", { closed });
  return closed;
}
