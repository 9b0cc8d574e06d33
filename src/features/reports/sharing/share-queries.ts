import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { sha256Hex } from "../../../lib/digest.ts";
import { notFound } from "../../../lib/errors.ts";

const COLUMNS = sql.raw(`
  e.id,
  e.run_id,
  e.password_hash is not null as protected,
  e.views,
  e.created_at,
  e.created_by,
  e.expires_at,
  e.revoked_at`);
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
export type ReportShare = z.output<typeof shareRow>;

export interface ShareValues {
  tokenHash: string;
  id: string;
  workspaceId: string;
  runId: string;
  password: { salt: string; hash: string } | { salt: null; hash: null };
  author: string;
  days: number;
}

const insertStatement = (values: ShareValues, allowed: SQL) => sql`
  insert into report_shares as e (
    token_hash, id, workspace_id, run_id, password_salt, password_hash,
    created_at, created_by, expires_at
  )
  select
    ${values.tokenHash},
    ${values.id},
    ${values.workspaceId},
    ${values.runId},
    ${values.password.salt},
    ${values.password.hash},
    now(),
    ${values.author},
    now() + make_interval(days => ${values.days}::int)
  where ${allowed}
  on conflict (token_hash) do update
    set expires_at = excluded.expires_at
    where e.revoked_at is null
  returning ${COLUMNS}`;

/** @throws AppError unprocessable, `quota_exceeded`, when the run has too many links */
export function insertLimitedShare(ctx: Context, values: ShareValues): Promise<ReportShare> {
  const { workspaceId, id, runId } = values;
  return insertWithin(
    ctx.db,
    { quotas: ctx.config.QUOTAS, workspaceId, id },
    {
      table: "report_shares",
      which: sql`e.run_id = ${runId} and e.revoked_at is null and e.expires_at > now()`,
      name: "shares_per_run",
      insert: (allowed) => insertStatement(values, allowed),
      row: shareRow,
    },
  );
}

/** @returns undefined if the link of the token was revoked */
export function insertShare(ctx: Context, values: ShareValues): Promise<ReportShare | undefined> {
  return ctx.db.maybe({ sql: insertStatement(values, sql`true`), row: shareRow });
}

/** Newest first. */
export function listShares(
  ctx: Context,
  workspaceId: string,
  runId: string,
): Promise<ReportShare[]> {
  return ctx.db.all({
    sql: sql`
      select ${COLUMNS}
      from report_shares e
      where ${inWorkspace(workspaceId, "e")}
        and e.run_id = ${runId}
      order by e.created_at desc, e.id
      limit 1000`,
    row: shareRow,
  });
}

/** @throws AppError not_found */
export async function revokeShare(
  ctx: Context,
  workspaceId: string,
  runId: string,
  id: string,
): Promise<void> {
  const revoked = await ctx.db.maybe({
    sql: sql`
      update report_shares e
      set revoked_at = coalesce(e.revoked_at, now())
      where ${inWorkspace(workspaceId, "e")}
        and e.run_id = ${runId}
        and e.id = ${id}
      returning e.id`,
    row: z.unknown(),
  });
  if (revoked === undefined) throw notFound("link");
}

/** Adds one view to a link. */
export async function countShareView(ctx: Context, token: string): Promise<void> {
  const tokenHash = await sha256Hex(token);
  await ctx.db.run(sql`
    update report_shares
    set views = views + 1
    where token_hash = ${tokenHash}`);
}

const foundShare = z.object({
  workspace_id: z.string(),
  run_id: z.string(),
  password_salt: z.string().nullable(),
  password_hash: z.string().nullable(),
  over: z.boolean(),
});

/** A link by the hash of its token; its workspace is not known yet. */
export function findShare(ctx: Context, tokenHash: string) {
  return ctx.db.maybe({
    sql: sql`
      select
        workspace_id,
        run_id,
        password_salt,
        password_hash,
        (revoked_at is not null or expires_at <= now()) as over
      from report_shares
      where token_hash = ${tokenHash}`,
    row: foundShare,
  });
}
