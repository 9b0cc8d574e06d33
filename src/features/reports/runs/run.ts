import { sql } from "drizzle-orm";
import { z } from "zod";
import { localDate } from "../../../analytics/time/zones.ts";
import type { Context } from "../../../context.ts";
import type { Db } from "../../../db/client.ts";
import { withSnapshot } from "../../../db/snapshot.ts";
import { workbookOf } from "../../../formats/xlsx.ts";
import { type JobOutcome, settleJob } from "../../../jobs/endings.ts";
import { ClaimLost, isGone, type JobId } from "../../../jobs/lease.ts";
import { AppError } from "../../../lib/errors.ts";
import { fileName } from "../../../lib/text.ts";
import { parseInstant } from "../../../lib/time.ts";
import { enqueue } from "../../../messages.ts";
import { storedObject } from "../../../storage/stored.ts";
import { checkReportSize } from "../definition/points.ts";
import type { ReportDocument } from "../render/document.ts";
import { renderHtml } from "../render/html.ts";
import { renderPdf } from "../render/pdf/render.ts";
import { renderCsvZip, sectionSheets } from "../render/sheets.ts";
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
import type { RunRequest } from "./schema.ts";

interface Renderer {
  extension: string;
  contentType: string;
  render(document: ReportDocument): Promise<Uint8Array> | Uint8Array;
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Every format of a report; each shows the same document. */
const RENDERERS: Record<RunRequest["format"], Renderer> = {
  pdf: {
    extension: "pdf",
    contentType: "application/pdf",
    render: renderPdf,
  },
  html: {
    extension: "html",
    contentType: "text/html; charset=utf-8",
    render: (document) => utf8(renderHtml(document)),
  },
  json: {
    extension: "json",
    contentType: "application/json",
    render: (document) => utf8(`${JSON.stringify(document, null, 2)}\n`),
  },
  csv: { extension: "zip", contentType: "application/zip", render: renderCsvZip },
  xlsx: {
    extension: "xlsx",
    contentType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    render: ({ sections }) => workbookOf(sectionSheets(sections)),
  },
};

async function make(ctx: Context, db: Db, claim: RunClaim): Promise<void> {
  const { workspaceId, id, request, report_id } = claim;
  const range = { from: parseInstant(request.from) ?? 0, to: parseInstant(request.to) ?? 0 };
  checkReportSize(request, range);
  const now = await db.maybe({ sql: sql`select now() as at`, row: z.object({ at: z.string() }) });
  const as_of = now?.at ?? "";
  const count = request.sections.length;
  const sections = await fillSections(
    db,
    workspaceId,
    request,
    range,
    parseInstant(as_of) ?? 0,
    (place, section) =>
      saveRunProgress(ctx, claim, Math.floor((95 * place) / count), section.title ?? section.type),
  );
  const { name, description, from, to, timezone } = request;
  const document: ReportDocument = {
    report: { id: report_id, name, description },
    run_id: id,
    workspace_id: workspaceId,
    from,
    to,
    timezone,
    as_of,
    sections,
  };
  const { extension, contentType } = RENDERERS[request.format];
  const bytes = await rendered(claim, document);
  // The lease is renewed, or found lost, before anything is written over.
  await saveRunProgress(ctx, claim, 96, "file");
  const put = ctx.files.put(runFileKey(workspaceId, id), bytes, { httpMetadata: { contentType } });
  await storedObject(put);
  const sha256 = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const file = {
    name: `${fileName(name)}-${localDate(range.from, timezone)}.${extension}`,
    content_type: contentType,
    bytes: bytes.length,
    sha256,
  };
  const planned = await planDeliveries(ctx, workspaceId, id, request.recipients);
  await saveReportRun(ctx, claim, as_of, file, ctx.config.EXPORT_RETENTION_DAYS);
  for (const each of planned) await enqueue(ctx, { type: "report.deliver", workspaceId, id: each });
}

/** @throws AppError unprocessable: what cannot be rendered now cannot be rendered later */
async function rendered(claim: RunClaim, document: ReportDocument): Promise<Uint8Array> {
  const { format } = claim.request;
  try {
    return await RENDERERS[format].render(document);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const message = `The report cannot be rendered as ${format}.`;
    throw new AppError("unprocessable", "render_failed", message, { cause });
  }
}

/**
 * Makes a run that waits, or one whose worker was lost. Safe to call twice, late, and for a run that is over.
 * @param job with the token of a claim that was made already, if it was
 */
export async function runReport(
  ctx: Context,
  job: JobId & { token?: string },
): Promise<JobOutcome> {
  const claim = await claimReportRun(ctx, job);
  if (!claim) return { status: "lost" };
  const { DATABASE_URL, NEON_ENDPOINT } = ctx.config;
  try {
    try {
      await withSnapshot(DATABASE_URL, NEON_ENDPOINT, (db) => make(ctx, db, claim));
      return { status: "done" };
    } catch (error) {
      return await settleJob(reportRunQueue(ctx), claim, error);
    }
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error;
    // Another attempt that has taken over needs what is there; after a cancel or a delete nobody does.
    if (await isGone(reportRunQueue(ctx), job))
      await storedObject(ctx.files.delete(runFileKey(job.workspaceId, job.id)));
    return { status: "lost" };
  }
}
