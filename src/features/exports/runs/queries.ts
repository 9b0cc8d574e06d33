import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { finishJob } from "../../../jobs/endings.ts";
import {
  type ClaimedJob,
  changeJob,
  claimJob,
  type JobId,
  leaseUntil,
} from "../../../jobs/lease.ts";
import { exportQueue } from "../queries.ts";
import { exportRequest } from "../schema.ts";

const progress = z.object({
  /** Rows of the snapshot, so that a later attempt knows whether they are still the same. */
  fingerprint: z.string(),
  uploadId: z.string(),
  uploaded: z.array(
    z.object({
      partNumber: z.number(),
      etag: z.string(),
      rows: z.number(),
      bytes: z.number(),
      sha256: z.string(),
    }),
  ),
  from: z.object({ after: z.array(z.string()).nullable(), rows: z.number(), state: z.unknown() }),
  /** Bytes that are made again from there but stored already. */
  skip: z.number(),
  totals: z.record(z.string(), z.string()),
});

export type ExportProgress = z.output<typeof progress>;

const claimed = z.object({
  request: exportRequest,
  as_of: z.string().nullable(),
  progress: progress.nullable(),
});

export type ExportClaim = z.output<typeof claimed> & ClaimedJob;

/** @param job with the token of a claim that was made already, if it was */
export const claimExport = (ctx: Context, job: JobId & { token?: string | undefined }) =>
  claimJob(exportQueue(ctx), job, sql`e.request, e.as_of, e.progress`, claimed);

export const saveExportStart = (ctx: Context, claim: ExportClaim, asOf: string, rows: number) =>
  changeJob(
    exportQueue(ctx),
    claim,
    sql`as_of = ${asOf}::timestamptz, rows_expected = ${rows}, rows_done = 0, progress = null, lease_until = ${leaseUntil}`,
  );

/** Keeps the claim, or finds it lost. */
export const renewClaim = (ctx: Context, claim: ExportClaim) =>
  changeJob(exportQueue(ctx), claim, sql`lease_until = ${leaseUntil}`);

export const saveExportProgress = (
  ctx: Context,
  claim: ExportClaim,
  rowsDone: number,
  state: ExportProgress,
) =>
  changeJob(
    exportQueue(ctx),
    claim,
    // What comes further at every attempt is no job that ends its runtime.
    sql`rows_done = ${rowsDone}, progress = ${JSON.stringify(state)}::jsonb, lease_until = ${leaseUntil}, cut_off = 0`,
  );

export const saveExport = (
  ctx: Context,
  claim: ExportClaim,
  rows: number,
  files: unknown,
  retentionDays: number,
) =>
  finishJob(
    exportQueue(ctx),
    claim,
    sql`rows_done = ${rows}, files = ${JSON.stringify(files)}::jsonb, progress = null`,
    retentionDays,
  );

/** Where the last attempt of a job stood, if any. */
export async function getExportProgress(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportProgress | undefined> {
  const found = await ctx.db.maybe({
    sql: sql`select e.progress from exports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: z.object({ progress: progress.nullable() }),
  });
  return found?.progress ?? undefined;
}
