import type { Context } from "../../../context.ts";
import { sha256Hex } from "../../../lib/digest.ts";
import { AppError } from "../../../lib/errors.ts";
import { randomToken } from "../../../lib/ids.ts";
import { checkPassword, passwordHash, type ShareVisit } from "./share-password.ts";
import {
  findShare,
  insertLimitedShare,
  insertShare,
  type ReportShare,
  type ShareValues,
} from "./share-queries.ts";

interface NewShare {
  author: string;
  days: number;
  password?: string | undefined;
  /**
   * 32 bytes; random by default. An existing link of the token is prolonged, unless it was revoked.
   */
  token?: string;
}

/**
 * Creates a link to a run. The token is returned once: only its hash is stored.
 * @throws AppError gone when the link of the given token was revoked; unprocessable,
 * `quota_exceeded`, for a random token
 */
export async function createShare(
  ctx: Context,
  workspaceId: string,
  runId: string,
  { author, days, password, ...given }: NewShare,
): Promise<{ share: ReportShare; token: string }> {
  const token = given.token ?? randomToken(32);
  const values: ShareValues = {
    tokenHash: await sha256Hex(token),
    id: crypto.randomUUID(),
    workspaceId,
    runId,
    password: await storedPassword(password),
    author,
    days,
  };
  if (given.token === undefined) return { share: await insertLimitedShare(ctx, values), token };
  const share = await insertShare(ctx, values);
  if (!share) throw new AppError("gone", "link_revoked", "The link was revoked.");
  return { share, token };
}

async function storedPassword(password: string | undefined): Promise<ShareValues["password"]> {
  if (password === undefined) return { salt: null, hash: null };
  const salt = randomToken(16);
  return { salt, hash: (await passwordHash(password, salt)).toHex() };
}

/**
 * Returns the run that a link leads to.
 * @param visit the password, and the network address that it comes from
 * @throws AppError not_found for an unknown link, gone for one that is expired or revoked,
 * forbidden without the right password, rate_limited after too many wrong ones
 */
export async function openShare(
  ctx: Context,
  token: string,
  visit?: ShareVisit,
): Promise<{ workspaceId: string; runId: string }> {
  const tokenHash = await sha256Hex(token);
  const found = await findShare(ctx, tokenHash);
  if (!found) throw new AppError("not_found", "not_found", "There is no such link.");
  if (found.over) throw new AppError("gone", "link_expired", "This link has expired.");
  const { password_salt: salt, password_hash: hash } = found;
  if (salt !== null && hash !== null) {
    if (visit === undefined)
      throw new AppError("forbidden", "password_required", "This link has a password: POST it.");
    await checkPassword(ctx, { tokenHash, salt, hash }, visit);
  }
  return { workspaceId: found.workspace_id, runId: found.run_id };
}
