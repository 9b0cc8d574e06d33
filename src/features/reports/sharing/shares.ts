import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { AppError, notFound } from "../../../lib/errors.ts";
import { randomToken } from "../../../lib/ids.ts";
import { checkPassword, passwordHash } from "./share-password.ts";

const encoder = new TextEncoder();
const COLUMNS = sql.raw(
  "e.id, e.run_id, e.password_hash is not null as protected, e.views, e.created_at, e.created_by, e.expires_at, e.revoked_at",
);
const shareRow = z.object({
  id: z.string(),
  run_id: z.string(),
  protected: z.boolean(),
  views: z.number(),
  created_at: z.string(),
  created_by: z.string(),
  expires_at: z.string(),
  revoked_at: z.string().nullable(),
});
export type Share = z.output<typeof shareRow>;

const hashOf = async (token: string) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(token))).toHex();

interface NewShare {
  author: string;
  days: number;
  password?: string | undefined;
  /** Of 32 bytes; a random one without. A link that is there already under it lives on, but for one that was revoked. */
  token?: string;
}

/**
 * Makes a link to a run. The token is given once: only its hash is kept.
 * @throws AppError gone when the link of this token was revoked; unprocessable, `quota_exceeded`, for one without a token of its own
 */
export async function createShare(
  ctx: Context,
  workspaceId: string,
  runId: string,
  { author, days, password, ...own }: NewShare,
): Promise<{ share: Share; token: string }> {
  const { token = randomToken(32) } = own;
  const salt = password === undefined ? null : randomToken(16);
  const hash =
    password === undefined || salt === null ? null : (await passwordHash(password, salt)).toHex();
  const [tokenHash, id] = [await hashOf(token), crypto.randomUUID()];
  const insert = (allowed: SQL) => sql`insert into report_shares as e (token_hash, id, workspace_id,
      run_id, password_salt, password_hash, created_at, created_by, expires_at)
    select ${tokenHash}, ${id}, ${workspaceId}, ${runId}, ${salt}, ${hash}, now(), ${author},
      now() + make_interval(days => ${days}::int) where ${allowed}
    on conflict (token_hash) do update set expires_at = excluded.expires_at where e.revoked_at is null
    returning ${COLUMNS}`;
  if (own.token === undefined) {
    const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
    const which = sql`e.run_id = ${runId} and e.revoked_at is null and e.expires_at > now()`;
    const kept = {
      table: "report_shares",
      which,
      name: "shares_per_run",
      insert,
      row: shareRow,
    } as const;
    return { share: await insertWithin(ctx.db, owner, kept), token };
  }
  const found = await ctx.db.maybe({ sql: insert(sql`true`), row: shareRow });
  if (!found) throw new AppError("gone", "link_revoked", "The link was revoked.");
  return { share: found, token };
}

/** Newest first. */
export function listShares(ctx: Context, workspaceId: string, runId: string): Promise<Share[]> {
  return ctx.db.all({
    sql: sql`select ${COLUMNS} from report_shares e where ${inWorkspace(workspaceId, "e")} and e.run_id = ${runId} order by e.created_at desc, e.id limit 1000`,
    row: shareRow,
  });
}

/** Ends a link. @throws AppError not_found */
export async function revokeShare(
  ctx: Context,
  workspaceId: string,
  runId: string,
  id: string,
): Promise<void> {
  const rows = await ctx.db.all({
    sql: sql`update report_shares e set revoked_at = coalesce(e.revoked_at, now()) where ${inWorkspace(workspaceId, "e")} and e.run_id = ${runId} and e.id = ${id} returning e.id`,
    row: z.unknown(),
  });
  if (rows.length === 0) throw notFound("link");
}

const opened = z.object({
  workspace_id: z.string(),
  run_id: z.string(),
  password_salt: z.string().nullable(),
  password_hash: z.string().nullable(),
  over: z.boolean(),
});

/** One view more of a link. */
export async function countView(ctx: Context, token: string): Promise<void> {
  await ctx.db.run(
    sql`update report_shares set views = views + 1 where token_hash = ${await hashOf(token)}`,
  );
}

/**
 * The run behind a link.
 * @throws AppError not_found for a link that is none, gone for one that is over or revoked, forbidden without the right password,
 * limited after too many wrong ones
 * @param visit the password, and the network address that it comes from
 */
export async function openShare(
  ctx: Context,
  token: string,
  visit?: { password: string; address: string },
): Promise<{ workspaceId: string; runId: string }> {
  const tokenHash = await hashOf(token);
  const found = await ctx.db.maybe({
    sql: sql`select workspace_id, run_id, password_salt, password_hash, (revoked_at is not null or expires_at <= now()) as over from report_shares where token_hash = ${tokenHash}`,
    row: opened,
  });
  if (!found) throw new AppError("not_found", "not_found", "There is no such link.");
  if (found.over) throw new AppError("gone", "link_expired", "This link has ended.");
  const { password_salt: salt, password_hash: hash } = found;
  if (salt !== null && hash !== null) {
    if (visit === undefined)
      throw new AppError("forbidden", "password_required", "This link has a password: POST it.");
    await checkPassword(ctx, { tokenHash, salt, hash }, visit);
  }
  return { workspaceId: found.workspace_id, runId: found.run_id };
}
