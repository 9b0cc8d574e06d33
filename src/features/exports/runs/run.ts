import { sql } from "drizzle-orm";
import type { Context } from "../../../context.ts";
import { withSnapshot } from "../../../db/snapshot.ts";
import { type JobOutcome, settleJob } from "../../../jobs/endings.ts";
import { ClaimLost, isGone, type JobId } from "../../../jobs/lease.ts";
import { exportQueue } from "../queries.ts";
import { removeExportFiles } from "./files.ts";
import { claimExport, type ExportClaim } from "./queries.ts";
import { UploadLost } from "./upload.ts";
import type { ExportHooks } from "./upload-parts.ts";
import { writeExport } from "./write.ts";

async function attempt(ctx: Context, claim: ExportClaim, hooks: ExportHooks): Promise<JobOutcome> {
  const { DATABASE_URL, NEON_ENDPOINT } = ctx.config;
  try {
    await withSnapshot(DATABASE_URL, NEON_ENDPOINT, (db) => writeExport(ctx, db, claim, hooks));
    return { status: "done" };
  } catch (error) {
    const anew = error instanceof UploadLost ? sql`progress = null` : undefined;
    return settleJob(exportQueue(ctx), claim, error, anew);
  }
}

/**
 * Works on an export that waits, or goes on behind its last stored part when its worker was lost. Safe to call twice, late,
 * and for a job that is over.
 * @param job with the token of a claim that was made already, if it was
 */
export async function runExport(
  ctx: Context,
  job: JobId & { token?: string },
  hooks: ExportHooks = {},
) {
  const claim = await claimExport(ctx, job);
  if (!claim) return { status: "lost" } satisfies JobOutcome;
  try {
    return await attempt(ctx, claim, hooks);
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error;
    // Another attempt that has taken over needs what is there; after a cancel or a delete nobody does.
    if (await isGone(exportQueue(ctx), job)) await removeExportFiles(ctx, job.workspaceId, job.id);
    return { status: "lost" } satisfies JobOutcome;
  }
}
