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

const storedProgress = z.object({
  /** Of the rows of the snapshot: a later attempt continues only if it is the same. */
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
  /** Bytes that the encoder makes again from there, although they are stored. */
  skip: z.number(),
  totals: z.record(z.string(), z.string()),
});
export type ExportProgress = z.output<typeof storedProgress>;

const claimedExport = z.object({
  request: exportRequest,
  as_of: z.string().nullable(),
  progress: storedProgress.nullable(),
});
export type ExportClaim = z.output<typeof claimedExport> & ClaimedJob;

/** @param job with the token of the claim, if it was claimed before */
export const claimExport = (ctx: Context, job: JobId & { token?: string | undefined }) =>
  claimJob(exportQueue(ctx), job, sql`e.request, e.as_of, e.progress`, claimedExport);

/** @throws ClaimLost */
export function saveExportStart(
  ctx: Context,
  claim: ExportClaim,
  asOf: string,
  rows: number,
): Promise<void> {
  const changes = sql`
    as_of = ${asOf}::timestamptz,
    rows_expected = ${rows},
    rows_done = 0,
    progress = null,
    lease_until = ${leaseUntil}`;
  return changeJob(exportQueue(ctx), claim, changes);
}

/** @throws ClaimLost */
export const renewClaim = (ctx: Context, claim: ExportClaim): Promise<void> =>
  changeJob(exportQueue(ctx), claim, sql`lease_until = ${leaseUntil}`);

/** @throws ClaimLost */
export function saveExportProgress(
  ctx: Context,
  claim: ExportClaim,
  rowsDone: number,
  progress: ExportProgress,
): Promise<void> {
  // An attempt that has progressed does not count as cut off.
  const changes = sql`
    rows_done = ${rowsDone},
    progress = ${JSON.stringify(progress)}::jsonb,
    lease_until = ${leaseUntil},
    cut_off = 0`;
  return changeJob(exportQueue(ctx), claim, changes);
}

/** Changes that let the next attempt begin at the first row. */
export const withoutProgress = () => sql`progress = null`;

/** @throws ClaimLost */
export function saveExport(
  ctx: Context,
  claim: ExportClaim,
  rows: number,
  files: unknown,
): Promise<void> {
  const changes = sql`
    rows_done = ${rows},
    files = ${JSON.stringify(files)}::jsonb,
    progress = null`;
  return finishJob(exportQueue(ctx), claim, changes, ctx.config.EXPORT_RETENTION_DAYS);
}

/** Progress of the last attempt, if it was saved. */
export async function getExportProgress(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportProgress | undefined> {
  const found = await ctx.db.maybe({
    sql: sql`
      select e.progress
      from exports e
      where ${inWorkspace(workspaceId, "e")}
        and e.id = ${id}`,
    row: z.object({ progress: storedProgress.nullable() }),
  });
  return found?.progress ?? undefined;
}
