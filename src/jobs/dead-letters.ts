import { z } from "@hono/zod-openapi";
import { sql } from "drizzle-orm";
import type { Context } from "../context.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { inWorkspace } from "../db/scope.ts";
import { AppError, notFound } from "../lib/errors.ts";
import { cutText } from "../lib/text.ts";
import { enqueue, queueMessage } from "../messages.ts";

const MAX_REASON = 1_000;
const COLUMNS = sql.raw(
  "e.id, e.type, e.body, e.reason, e.attempts, e.dead_at, e.replayed_at, e.replayed_by",
);

/** Keeps a message that was given up. The same delivery again keeps one. */
export async function saveDeadLetter(
  ctx: Context,
  id: string,
  body: unknown,
  reason: string,
  attempts: number,
): Promise<void> {
  const { type = "unknown", workspaceId = null } = (
    typeof body === "object" && body !== null ? body : {}
  ) as Record<string, unknown>;
  await ctx.db.run(sql`insert into dead_letters (id, workspace_id, type, body, reason, attempts, dead_at)
      values (${id}, ${workspaceId}, ${String(type)}, ${JSON.stringify(body ?? null)}::jsonb, ${cutText(reason.toWellFormed(), MAX_REASON)}, ${attempts}, now())
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
  };
  return listByTime(ctx.db, { ...list, timeOf: (row) => row.dead_at }, query);
}

/**
 * Sends a message again, once.
 * @throws AppError not_found, also for one of another workspace; conflict for one that was sent again already
 */
export async function replayDeadLetter(ctx: Context, workspaceId: string, id: string, by: string) {
  const of = sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;
  const letter = await ctx.db.maybe({
    sql: sql`select ${COLUMNS} from dead_letters e where ${of}`,
    row: deadLetterShape,
  });
  if (!letter) throw notFound("dead letter");
  if (letter.replayed_at !== null)
    throw new AppError("conflict", "replayed_already", "The message was sent again already.");
  const parsed = queueMessage.safeParse(letter.body);
  if (!parsed.success)
    throw new AppError(
      "conflict",
      "unknown_message",
      "The message is none that this version knows.",
    );
  // Sent first and marked then: a message that comes twice does no harm, one that is marked and lost would.
  await enqueue(ctx, "workspaceId" in parsed.data ? { ...parsed.data, again: true } : parsed.data);
  const row = await ctx.db.maybe({
    sql: sql`update dead_letters e set replayed_at = now(), replayed_by = ${by} where ${of} returning ${COLUMNS}`,
    row: deadLetterShape,
  });
  return row ?? letter;
}
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
