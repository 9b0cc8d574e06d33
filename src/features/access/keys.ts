import { authorOf, may, type Permission } from "../../auth/actor.ts";
import { keyIdFrom, keyPrefix, newKeyText } from "../../auth/api-key.ts";
import type { Context } from "../../context.ts";
import { forgetKey } from "../../http/authenticate-key.ts";
import { sha256Hex } from "../../lib/digest.ts";
import { AppError, unprocessable } from "../../lib/errors.ts";
import { parseInstant } from "../../lib/time.ts";
import {
  type ApiKey,
  type ApiKeyInput,
  createKey,
  deleteKey,
  rotateKey,
} from "../../store/api-keys.ts";

interface KeyRequest extends ApiKeyInput {
  scopes: Permission[];
}

/** A key as answers show it. */
export const shownKey = ({ config }: Context, key: ApiKey) => ({
  ...key,
  prefix: keyPrefix(config.ENVIRONMENT, key.id),
});

/** @throws AppError forbidden for what the author may not do, unprocessable for a time in the past */
function checkKey(ctx: Context, workspaceId: string, { scopes, expires_at }: KeyRequest): void {
  const missing = scopes.find((scope) => !may(ctx.actor, workspaceId, scope));
  if (missing !== undefined)
    throw new AppError(
      "forbidden",
      "permission_missing",
      `The permission ${missing} is required: a key can do no more than its author.`,
    );
  if (expires_at != null && (parseInstant(expires_at) ?? 0) <= ctx.nowUs())
    throw unprocessable("json.expires_at", "expired", "The key would have expired already.");
}

/**
 * Creates a key.
 * @param made the id that the request makes (intake/generated-id.ts)
 * @throws AppError forbidden, unprocessable, conflict for a request that was sent again
 */
export async function issueKey(ctx: Context, workspaceId: string, made: string, asked: KeyRequest) {
  checkKey(ctx, workspaceId, asked);
  const id = await keyIdFrom(made);
  const secret = await newKeyText(ctx.config.ENVIRONMENT, id);
  const stored = { id, hash: await sha256Hex(secret), author: authorOf(ctx.actor) };
  const input = { ...asked, scopes: [...new Set(asked.scopes)] };
  return { ...shownKey(ctx, await createKey(ctx, workspaceId, stored, input)), secret };
}

/** Gives a key another secret. @throws AppError not_found */
export async function renewKey(ctx: Context, workspaceId: string, id: string, overlap: number) {
  const secret = await newKeyText(ctx.config.ENVIRONMENT, id);
  const key = await rotateKey(ctx.db, workspaceId, id, await sha256Hex(secret), overlap);
  forgetKey(id);
  return { ...shownKey(ctx, key), secret };
}

/** Deletes a key: at once here, within 30 seconds everywhere. @throws AppError not_found */
export async function revokeKey(ctx: Context, workspaceId: string, id: string): Promise<void> {
  await deleteKey(ctx.db, workspaceId, id);
  forgetKey(id);
}
