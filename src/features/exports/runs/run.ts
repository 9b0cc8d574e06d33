import { sql } from "drizzle-orm";
import type { Context } from "../../../context.ts";
import { withSnapshot } from "../../../db/snapshot.ts";
import { ClaimLost, isGone, type JobId, type JobOutcome, settleJob } from "../../../jobs/lease.ts";
import { type Claim, claimExport, jobs } from "../queries.ts";
import { removeFiles } from "./files.ts";
import { UploadLost } from "./upload.ts";
import { type Hooks, walk } from "./walk.ts";

async function attempt(ctx: Context, claim: Claim, hooks: Hooks): Promise<JobOutcome> {
  const { DATABASE_URL, NEON_ENDPOINT } = ctx.config;
  try {
    await withSnapshot(DATABASE_URL, NEON_ENDPOINT, (db) => walk(ctx, db, claim, hooks));
    return { status: "done" };
  } catch (error) {
    const anew = error instanceof UploadLost ? sql`progress = null` : undefined;
    return settleJob(jobs(ctx), claim, error, anew);
  }
}

/**
 * Works on an export that waits, or goes on behind its last stored part when its worker was lost. Safe to call twice, late,
 * and for a job that is over.
 * @param job with the token of a claim that was made already, if it was
 */
export async function runExport(ctx: Context, job: JobId & { token?: string }, hooks: Hooks = {}) {
  const claim = await claimExport(ctx, job);
  if (!claim) return { status: "lost" } satisfies JobOutcome;
  try {
    return await attempt(ctx, claim, hooks);
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error;
    // Another attempt that has taken over needs what is there; after a cancel or a delete nobody does.
    if (await isGone(jobs(ctx), job)) await removeFiles(ctx, job.workspaceId, job.id);
    return { status: "lost" } satisfies JobOutcome;
  }
}
