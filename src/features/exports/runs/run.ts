import type { Context } from "../../../context.ts";
import { attemptJob } from "../../../jobs/attempt.ts";
import type { JobOutcome } from "../../../jobs/endings.ts";
import type { JobId } from "../../../jobs/lease.ts";
import { exportQueue } from "../queries.ts";
import { removeExportFiles } from "./files.ts";
import { claimExport, withoutProgress } from "./queries.ts";
import { UploadLost } from "./upload.ts";
import type { ExportHooks } from "./upload-parts.ts";
import { writeExport } from "./write.ts";

/**
 * Works on a queued export, or continues one behind its last stored part when its worker was lost.
 * Safe to call twice, late, and for an export that has ended.
 * @param job with the token of the claim, if it was claimed before
 */
export async function runExport(
  ctx: Context,
  job: JobId & { token?: string },
  hooks: ExportHooks = {},
): Promise<JobOutcome> {
  const claim = await claimExport(ctx, job);
  if (!claim) return { status: "lost" };
  return attemptJob(ctx, exportQueue(ctx), claim, {
    work: (db, asOf) => writeExport(ctx, db, claim, asOf, hooks),
    removeFiles: () => removeExportFiles(ctx, job.workspaceId, job.id),
    changesAfter: (error) => (error instanceof UploadLost ? withoutProgress() : undefined),
  });
}
