import { localDate } from "../../../analytics/time/zones.ts";
import type { Context } from "../../../context.ts";
import type { Snapshot } from "../../../db/snapshot.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import { FILE_FORMATS } from "../../../formats/table.ts";
import { type FileTotals, totalsText } from "../../../formats/totals.ts";
import { AppError } from "../../../lib/errors.ts";
import { parseInstant } from "../../../lib/time.ts";
import { storedObject } from "../../../storage/stored.ts";
import { exportColumns, exportQuestion } from "../definition/request.ts";
import type { ExportFile, ExportRequest } from "../schema.ts";
import { EXPORT_SOURCES } from "../sources/catalog.ts";
import type { ExportSource } from "../sources/source.ts";
import { exportFileKey, exportManifestKey } from "./keys.ts";
import { type ExportClaim, renewClaim, saveExport } from "./queries.ts";
import {
  beginUpload,
  completeUpload,
  type ExportHooks,
  type ExportUpload,
  exportContentType,
  pagesWithTotals,
  uploadChunks,
} from "./upload-parts.ts";

/**
 * Writes the file of an export and its manifest.
 * @param db the snapshot
 * @param asOf its moment
 * @throws ClaimLost; AppError unprocessable for more rows than the format or the limit allows
 */
export async function writeExport(
  ctx: Context,
  db: Snapshot,
  claim: ExportClaim,
  asOf: string,
  hooks: ExportHooks,
): Promise<void> {
  const { workspaceId, request } = claim;
  const source: ExportSource = EXPORT_SOURCES[request.source];
  const format = FILE_FORMATS[request.format];
  const question = exportQuestion(workspaceId, request, parseInstant(asOf) ?? 0);
  const columns = exportColumns(source, question, request.columns);
  const opened = await source.open(db, question, columns);
  const maxRows = Math.min(ctx.config.MAX_EXPORT_ROWS, format.maxRows);
  if (opened.rows > maxRows)
    throw new AppError(
      "unprocessable",
      "too_many_rows",
      `The export would have ${opened.rows} rows; at most ${maxRows} fit.`,
    );
  const summed = source.totals(question);
  const summedColumns = columns.filter((column) => summed.includes(column.name));
  const upload = await beginUpload(ctx, claim, opened, asOf, summedColumns);
  const totals = new Map<number, FileTotals>();
  const pages = opened.pages(upload.from.after, format.pageRows);
  const { gzip, neutralize } = request;
  const chunks = format.encode(
    pagesWithTotals(pages, columns, upload, totals),
    { columns, gzip, neutralize },
    upload.from,
  );
  const rows = await uploadChunks(ctx, claim, upload, chunks, totals, hooks);
  if (rows !== opened.rows) throw new Error(`The source gave ${rows} rows of ${opened.rows}`);
  const sums = totalsText(totals.get(rows) ?? upload.totals, columns);
  await finishExport(ctx, claim, upload, { rows, columns, totals: sums });
}

function fileNameOf(request: ExportRequest): string {
  const { source, from, to, timezone, format, gzip } = request;
  const firstDay = localDate(parseInstant(from) ?? 0, timezone);
  const lastDay = localDate(parseInstant(to) ?? 0, timezone);
  const extension = `${FILE_FORMATS[format].extension}${gzip ? ".gz" : ""}`;
  return `${source}-${firstDay}-${lastDay}.${extension}`;
}

interface ExportContents {
  rows: number;
  columns: FileColumn[];
  totals: Record<string, unknown>;
}

async function finishExport(
  ctx: Context,
  claim: ExportClaim,
  { upload, asOf }: ExportUpload,
  { rows, columns, totals }: ExportContents,
): Promise<void> {
  const { workspaceId, id, request } = claim;
  await renewClaim(ctx, claim);
  await completeUpload(ctx, exportFileKey(workspaceId, id, 0), upload, asOf);
  await renewClaim(ctx, claim);
  const parts = upload.done.map((part) => ({
    rows: part.rows,
    bytes: part.bytes,
    sha256: part.sha256,
  }));
  const file: ExportFile = {
    name: fileNameOf(request),
    content_type: exportContentType(request),
    rows,
    bytes: upload.bytes,
    parts,
  };
  const manifest = {
    export_id: id,
    workspace_id: workspaceId,
    request,
    as_of: asOf,
    schema: columns,
    totals: { rows, ...totals },
    files: [file],
  };
  const put = ctx.files.put(
    exportManifestKey(workspaceId, id),
    `${JSON.stringify(manifest, null, 2)}\n`,
    { httpMetadata: { contentType: "application/json" } },
  );
  await storedObject(put);
  await saveExport(ctx, claim, rows, [file]);
}
