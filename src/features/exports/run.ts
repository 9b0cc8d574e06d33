import type { Context } from "../../context.ts";
import { ClaimLost, failJob, isGone } from "../../db/jobs.ts";
import { withSnapshot } from "../../db/session.ts";
import { AppError } from "../../lib/errors.ts";
import { removeFiles } from "./files.ts";
import { type Claim, claimExport, jobs, releaseExport } from "./queries.ts";
import { UploadLost } from "./upload.ts";
import { type Hooks, walk } from "./walk.ts";

/** What no further attempt would change. */
const isFinal = (error: unknown): error is AppError =>
  error instanceof AppError && error.kind === "impossible";

async function attempt(ctx: Context, claim: Claim, hooks: Hooks): Promise<void> {
  const { DATABASE_URL, NEON_ENDPOINT } = ctx.config;
  try {
    await withSnapshot(DATABASE_URL, NEON_ENDPOINT, (db) => walk(ctx, db, claim, hooks));
  } catch (error) {
    if (error instanceof ClaimLost) throw error;
    if (!isFinal(error)) {
      await releaseExport(ctx, claim, error instanceof UploadLost);
      throw error;
    }
    await failJob(jobs(ctx), claim, error.code, error.message);
  }
}

/**
 * Works on a queued export, or goes on with one whose consumer was lost. Safe to call twice, late, and for a job that is over.
 * @param options `again`: also a job that was given up
 * @throws what made the attempt fail: the next one goes on behind the last stored part
 */
export async function runExport(
  ctx: Context,
  workspaceId: string,
  id: string,
  { again = false, ...hooks }: Hooks & { again?: boolean | undefined } = {},
): Promise<void> {
  const claim = await claimExport(ctx, { workspaceId, id }, again);
  if (!claim) return;
  try {
    await attempt(ctx, claim, hooks);
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error;
    // Another attempt that has taken over needs what is there; after a cancel or a delete nobody does.
    if (await isGone(jobs(ctx), { workspaceId, id })) await removeFiles(ctx, workspaceId, id);
  }
}
