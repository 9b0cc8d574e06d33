import type { ErrorStatus } from "../../analytics/errors/error-filter.ts";
import { authorOf } from "../../auth/actor.ts";
import type { Context } from "../../context.ts";
import { notFound } from "../../lib/errors.ts";
import { type ErrorDecision, findDecision, storeDecision } from "./queries.ts";

/** The decision about a group of errors as it was stored; null without one. */
export async function decisionOf(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ErrorDecision | null> {
  return (await findDecision(ctx.db, workspaceId, id)) ?? null;
}

/**
 * Stores a decision about a group of errors, in place of an earlier one.
 * @throws AppError not_found for a group without errors in this workspace
 */
export async function decideError(
  ctx: Context,
  workspaceId: string,
  id: string,
  status: ErrorStatus,
  note: string | null,
): Promise<ErrorDecision> {
  const decision = { id, status, note, author: authorOf(ctx.actor) };
  const stored = await storeDecision(ctx.db, workspaceId, decision);
  if (!stored) throw notFound("error");
  ctx.cache.invalidate(workspaceId);
  return stored;
}
