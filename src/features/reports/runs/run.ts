import { localDate } from "../../../analytics/time/zones.ts";
import type { Context } from "../../../context.ts";
import { openSnapshot, type Snapshot } from "../../../db/snapshot.ts";
import { attemptJob } from "../../../jobs/attempt.ts";
import type { JobOutcome } from "../../../jobs/endings.ts";
import type { JobId } from "../../../jobs/lease.ts";
import { fileName } from "../../../lib/text.ts";
import { parseInstant } from "../../../lib/time.ts";
import { enqueue } from "../../../messages.ts";
import { storedObject } from "../../../storage/stored.ts";
import { checkReportSize } from "../definition/points.ts";
import type { ReportDocument } from "../render/document.ts";
import { type RenderedFile, renderDocument } from "../render/formats.ts";
import { planDeliveries } from "../sharing/delivery-queries.ts";
import { runFileKey } from "./file.ts";
import { fillSections } from "./fill.ts";
import {
  claimReportRun,
  type RunClaim,
  reportRunQueue,
  saveReportRun,
  saveRunProgress,
} from "./queries.ts";

/** Percent of a run whose sections are filled, and of one that is rendered. */
const FILLED_PERCENT = 95;
const RENDERED_PERCENT = 96;

async function fillDocument(
  ctx: Context,
  db: Snapshot,
  claim: RunClaim,
  asOf: string,
): Promise<ReportDocument> {
  const { workspaceId, id, request, report_id } = claim;
  const { name, description, from, to, timezone } = request;
  const range = { from: parseInstant(from) ?? 0, to: parseInstant(to) ?? 0 };
  checkReportSize(request, range);
  const count = request.sections.length;
  const sections = await fillSections(
    openSnapshot(db),
    workspaceId,
    request,
    range,
    parseInstant(asOf) ?? 0,
    (place, section) => {
      const percent = Math.floor((FILLED_PERCENT * place) / count);
      return saveRunProgress(ctx, claim, percent, section.title ?? section.type);
    },
  );
  return {
    report: { id: report_id, name, description },
    run_id: id,
    workspace_id: workspaceId,
    from,
    to,
    timezone,
    as_of: asOf,
    sections,
  };
}

/** Stores the file, and describes it as the run shows it. */
async function storeFile(
  ctx: Context,
  { workspaceId, id, request }: RunClaim,
  { bytes, extension, contentType }: RenderedFile,
) {
  const key = runFileKey(workspaceId, id);
  await storedObject(ctx.files.put(key, bytes, { httpMetadata: { contentType } }));
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const firstDay = localDate(parseInstant(request.from) ?? 0, request.timezone);
  return {
    name: `${fileName(request.name)}-${firstDay}.${extension}`,
    content_type: contentType,
    bytes: bytes.length,
    sha256: new Uint8Array(digest).toHex(),
  };
}

async function makeReport(
  ctx: Context,
  db: Snapshot,
  claim: RunClaim,
  asOf: string,
): Promise<void> {
  const { workspaceId, id, request } = claim;
  const document = await fillDocument(ctx, db, claim, asOf);
  const rendered = await renderDocument(document, request.format);
  // Renews the claim, or throws, before the file of another attempt is overwritten.
  await saveRunProgress(ctx, claim, RENDERED_PERCENT, "file");
  const file = await storeFile(ctx, claim, rendered);
  const planned = await planDeliveries(ctx, workspaceId, id, request.recipients);
  await saveReportRun(ctx, claim, asOf, file);
  for (const delivery of planned)
    await enqueue(ctx, { type: "report.deliver", workspaceId, id: delivery });
}

/**
 * Works on a queued run, or on one whose worker was lost. Safe to call twice, late, and for a run
 * that has ended.
 * @param job with the token of the claim, if it was claimed before
 */
export async function runReport(
  ctx: Context,
  job: JobId & { token?: string },
): Promise<JobOutcome> {
  const claim = await claimReportRun(ctx, job);
  if (!claim) return { status: "lost" };
  return attemptJob(ctx, reportRunQueue(ctx), claim, {
    work: (db, asOf) => makeReport(ctx, db, claim, asOf),
    removeFiles: () => storedObject(ctx.files.delete(runFileKey(job.workspaceId, job.id))),
  });
}
