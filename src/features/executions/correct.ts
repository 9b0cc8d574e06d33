import type { z } from "zod";
import type { Context } from "../../context.ts";
import { AppError } from "../../lib/errors.ts";
import { supersede } from "./ingest.ts";
import { checkMessage } from "./message.ts";
import { getExecution } from "./queries.ts";
import type { Execution, executionPatch } from "./schema.ts";

const MAX_ATTEMPTS = 5;

/** The stored execution as the message that would say it all. */
function statedBy(stored: Execution): Record<string, unknown> {
  const { stale, duration_ms, ...rest } = stored;
  // A derived duration follows its times; a run closed for its silence has not ended by anybody's word.
  const derived = stored.ended_at !== null && Date.parse(stored.ended_at) - Date.parse(stored.started_at) === duration_ms;
  return { ...rest, ...(derived ? {} : { duration_ms }), ...(stale ? { status: "running" } : {}) };
}

/**
 * Changes fields of an execution by a message of the next revision, the same path as all intake. A field set to null is
 * taken away. Another correction at the same time is not lost: the later one starts again from its result.
 * @throws AppError not_found, impossible (what checkMessage refuses), conflict after five lost races
 */
export async function correctExecution(
  ctx: Context,
  workspaceId: string,
  id: string,
  patch: z.output<typeof executionPatch>,
): Promise<Execution> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const stored = await getExecution(ctx.db, workspaceId, id);
    const checked = checkMessage({ ...statedBy(stored), ...patch, revision: stored.revision + 1 }, ctx.now(), { id, again: false });
    if (!checked.ok) {
      const { path, code, message } = checked.error;
      throw new AppError("impossible", code, message, { errors: [{ path, code, message }] });
    }
    if (await supersede(ctx, workspaceId, checked.message)) return getExecution(ctx.db, workspaceId, id);
  }
  throw new AppError("conflict", "concurrent_change", "The execution is being changed by others; try again.");
}
