import type { z } from "zod";
import type { Context } from "../../context.ts";
import { fromMicros, toMicros } from "../../lib/decimal.ts";
import { AppError } from "../../lib/errors.ts";
import { isExactNumber } from "../../lib/exact-number.ts";
import type { Execution } from "../../store/execution.ts";
import { getStoredExecution, type StoredExecution } from "../../store/executions.ts";
import { ingestMessages, supersede } from "./ingest.ts";
import { checkMessage, type Message } from "./message.ts";
import type { executionPatch } from "./schema.ts";

type Patch = z.output<typeof executionPatch>;
const MAX_ATTEMPTS = 5;
/** Where a field of a patch is in a message, if not under its own name. */
const COLUMNS: Partial<Record<string, (keyof Message)[]>> = {
  duration_ms: ["duration_given_ms"],
  error: ["error_type", "error_message"],
};

/** @throws AppError unprocessable with the path of what cannot be */
function checked(item: Record<string, unknown>, nowMs: number): Message {
  const result = checkMessage(item, nowMs, { id: "", reproducible: false });
  if (result.ok) return result.message;
  const { path, code, message } = result.error;
  throw new AppError("unprocessable", code, message, { errors: [{ path, code, message }] });
}

/** The stored execution as the message that would say it all; a derived duration follows its times. */
function statedBy({ execution, durationGivenMs }: StoredExecution): Record<string, unknown> {
  const { stale, duration_ms: _, status, ...rest } = execution;
  // A run that was closed for its silence has not ended by anybody's word.
  return { ...rest, status: stale ? "running" : status, duration_ms: durationGivenMs };
}

/** A value as the database gives it back: credits with 6 decimals, documents whatever the order of their keys. */
function canonical(column: keyof Message, value: unknown): string | undefined {
  if (column === "credits" && typeof value === "string") return fromMicros(toMicros(value));
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part) && !isExactNumber(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Whether a message states the patch's fields as another does. */
function agree(patch: Patch, a: Message, b: Message): boolean {
  const columns = Object.keys(patch).flatMap((name) => COLUMNS[name] ?? [name as keyof Message]);
  return columns.every((column) => canonical(column, a[column]) === canonical(column, b[column]));
}

/**
 * Changes fields of an execution by a message, the same path as all intake; null takes a field away. What only adds to the
 * stored revision is said in that revision, so that the run's own later messages still count; anything else is the next
 * revision of exactly the row that was read, and starts again when that has changed meanwhile.
 * @throws AppError not_found, unprocessable (what checkMessage refuses), conflict after five lost races
 */
export async function correctExecution(
  ctx: Context,
  workspaceId: string,
  id: string,
  patch: Patch,
): Promise<Execution> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const stored = await getStoredExecution(ctx.db, workspaceId, id);
    const whole = statedBy(stored);
    const wanted = checked(
      { ...whole, ...patch, revision: stored.execution.revision + 1 },
      ctx.now(),
    );
    if (agree(patch, wanted, checked(whole, ctx.now()))) return stored.execution;
    const { agent_id, user_id, started_at, status } = whole;
    const addition = checked(
      { id, agent_id, user_id, started_at, status, ...patch, revision: stored.execution.revision },
      ctx.now(),
    );
    await ingestMessages(ctx, workspaceId, [addition]);
    const after = await getStoredExecution(ctx.db, workspaceId, id);
    if (agree(patch, wanted, checked(statedBy(after), ctx.now()))) return after.execution;
    const correction = checked(
      { ...statedBy(after), ...patch, revision: after.execution.revision + 1 },
      ctx.now(),
    );
    if (await supersede(ctx, workspaceId, correction, { heardAt: after.heardAt }))
      return (await getStoredExecution(ctx.db, workspaceId, id)).execution;
  }
  throw new AppError(
    "conflict",
    "concurrent_change",
    "The execution is being changed by others; try again.",
  );
}
