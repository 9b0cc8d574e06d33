import { z } from "@hono/zod-openapi";
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { inWorkspace } from "../db/scope.ts";
import { AppError, notFound } from "../lib/errors.ts";
import { cutText } from "../lib/text.ts";
import { enqueue, queueMessage } from "../messages.ts";

const MAX_REASON_CHARS = 1_000;
const COLUMNS = sql.raw(`
  e.id,
  e.type,
  e.body,
  e.reason,
  e.attempts,
  e.dead_at,
  e.replayed_at,
  e.replayed_by`);

export const deadLetterShape = z
  .object({
    id: z.string(),
    type: z.string(),
    body: z.unknown(),
    reason: z.string(),
    attempts: z.int(),
    dead_at: z.string(),
    replayed_at: z.string().nullable(),
    replayed_by: z.string().nullable(),
  })
  .openapi("DeadLetter");
type DeadLetter = z.output<typeof deadLetterShape>;

/** Stores a message that will not be retried. A repeated delivery stores one. */
export async function saveDeadLetter(
  ctx: Context,
  id: string,
  body: unknown,
  reason: string,
  attempts: number,
): Promise<void> {
  const fields = typeof body === "object" && body !== null ? body : {};
  const { type = "unknown", workspaceId = null } = fields as Record<string, unknown>;
  const text = cutText(reason.toWellFormed(), MAX_REASON_CHARS);
  await ctx.db.run(sql`
    insert into dead_letters (id, workspace_id, type, body, reason, attempts, dead_at)
    values (
      ${id},
      ${workspaceId},
      ${String(type)},
      ${JSON.stringify(body ?? null)}::jsonb,
      ${text},
      ${attempts},
      now()
    )
    on conflict (id) do nothing`);
}

/** Newest first, ties by id. */
export function listDeadLetters(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`dead_letters e`,
    columns: COLUMNS,
    row: deadLetterShape,
    where: [inWorkspace(workspaceId, "e")],
    time: "dead_at",
    timeOf: (letter: DeadLetter) => letter.dead_at,
  };
  return listByTime(ctx.db, list, query);
}

/**
 * Sends a dead letter again, once.
 * @throws AppError not_found, also for another workspace's; conflict if it was already sent again,
 * or this version does not know its message
 */
export async function replayDeadLetter(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
): Promise<DeadLetter> {
  const isLetter = sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
  const letter = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from dead_letters e
      where ${isLetter}`,
    row: deadLetterShape,
  });
  if (!letter) throw notFound("dead letter");
  if (letter.replayed_at !== null)
    throw new AppError("conflict", "replayed_already", "The message was already sent again.");
  const parsed = queueMessage.safeParse(letter.body);
  if (!parsed.success)
    throw new AppError("conflict", "unknown_message", "This version does not know the message.");
  // Sent before it is marked: a message sent twice does no harm, a lost one would.
  await enqueue(ctx, "workspaceId" in parsed.data ? { ...parsed.data, again: true } : parsed.data);
  const marked = await ctx.db.maybe({
    sql: sql`
      update dead_letters e
      set replayed_at = now(), replayed_by = ${author}
      where ${isLetter}
      returning ${COLUMNS}`,
    row: deadLetterShape,
  });
  return marked ?? letter;
}
