import type { Context } from "../../../context.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import {
  FILE_START,
  type FileChunk,
  type ResumePoint,
  type RowPage,
} from "../../../formats/format.ts";
import { FILE_FORMATS } from "../../../formats/table.ts";
import { addTotals, type FileTotals, zeroTotals } from "../../../formats/totals.ts";
import { storedObject } from "../../../storage/stored.ts";
import type { ExportRequest } from "../schema.ts";
import type { OpenedRows } from "../sources/source.ts";
import { exportFileKey } from "./keys.ts";
import {
  type ExportClaim,
  type ExportProgress,
  renewClaim,
  saveExportProgress,
  saveExportStart,
} from "./queries.ts";
import { MultipartUpload, PartBuffer } from "./upload.ts";

/** Called after each stored part, so that a test can end the attempt there. */
export interface ExportHooks {
  afterPart?(parts: number): unknown;
}

/** An upload, and the place where this attempt begins. */
export interface ExportUpload {
  upload: MultipartUpload;
  fingerprint: string;
  from: ResumePoint;
  /** Bytes that the encoder makes again although they are stored. */
  skip: number;
  /** Totals of the rows before `from`. */
  totals: FileTotals;
  asOf: string;
}

/**
 * Changes whenever the bytes of a file or the stored state do, so that no attempt continues an
 * upload of an earlier version.
 */
const LAYOUT = 2;

/** Type of the stored file. */
export const exportContentType = ({ format, gzip }: ExportRequest): string =>
  gzip ? "application/gzip" : FILE_FORMATS[format].contentType;

/** Continues the upload of the last attempt if the rows are the same, else begins a new one. */
export async function beginUpload(
  ctx: Context,
  claim: ExportClaim,
  opened: OpenedRows,
  asOf: string,
  summedColumns: readonly FileColumn[],
): Promise<ExportUpload> {
  const key = exportFileKey(claim.workspaceId, claim.id, 0);
  const fingerprint = `${LAYOUT}:${opened.fingerprint}`;
  const { progress, as_of } = claim;
  if (progress && as_of !== null) {
    const upload = MultipartUpload.resume(ctx, key, progress);
    if (progress.fingerprint === fingerprint) {
      const { skip, totals } = progress;
      const from = { ...progress.from, state: progress.from.state ?? null };
      return { upload, fingerprint, from, skip, totals, asOf: as_of };
    }
    await upload.abort();
  }
  await saveExportStart(ctx, claim, asOf, opened.rows);
  const contentType = exportContentType(claim.request);
  const upload = await MultipartUpload.begin(ctx, key, contentType, asOf);
  return {
    upload,
    fingerprint,
    from: FILE_START,
    skip: 0,
    totals: zeroTotals(summedColumns),
    asOf,
  };
}

/**
 * Passes pages on, and keeps the totals up to each of them.
 * @param totals by the number of rows; filled here, pruned as parts are stored
 */
export async function* pagesWithTotals(
  pages: AsyncIterable<RowPage>,
  columns: readonly FileColumn[],
  begun: ExportUpload,
  totals: Map<number, FileTotals>,
): AsyncGenerator<RowPage> {
  let rows = begun.from.rows;
  let sums = begun.totals;
  totals.set(rows, sums);
  for await (const page of pages) {
    rows += page.cells.rows;
    sums = addTotals(sums, page.cells, columns);
    totals.set(rows, sums);
    yield page;
  }
}

/**
 * Uploads chunks as parts of equal size, and saves a resume point after each part.
 * @param known totals by the number of rows (pagesWithTotals)
 * @returns all rows of the file
 * @throws ClaimLost, UploadLost
 */
export async function uploadChunks(
  ctx: Context,
  claim: ExportClaim,
  begun: ExportUpload,
  chunks: AsyncIterable<FileChunk>,
  known: Map<number, FileTotals>,
  hooks: ExportHooks,
): Promise<number> {
  const { upload, fingerprint } = begun;
  const part = new PartBuffer();
  let [skip, made, base, rows] = [begun.skip, 0, 0, begun.from.rows];
  let [from, stored] = [begun.from, upload.done.reduce((sum, each) => sum + each.rows, 0)];
  /** @param left bytes of the current chunk that are not in the part; @param whole rows that are */
  const store = async (left: number, whole: number) => {
    // An attempt that lost its claim must not write over the parts of the one that has it.
    await renewClaim(ctx, claim);
    await upload.add(part.take(), whole - stored);
    stored = whole;
    const totals = known.get(from.rows) ?? {};
    const progress: ExportProgress = {
      fingerprint,
      uploadId: upload.id,
      uploaded: upload.done,
      from,
      skip: made - left - base,
      totals,
    };
    await saveExportProgress(ctx, claim, whole, progress);
    for (const key of known.keys()) if (key < from.rows && key !== 0) known.delete(key);
    await hooks.afterPart?.(upload.done.length);
  };
  for await (const chunk of chunks) {
    const next = chunk.from();
    // A chunk with a resume point of its own begins where the bytes before it end. In a file
    // without one, all bytes count from its first.
    if (next.rows !== from.rows || next.after !== from.after) [from, base] = [next, made];
    made += chunk.bytes.length;
    let rest = chunk.bytes.subarray(Math.min(skip, chunk.bytes.length));
    skip = Math.max(0, skip - chunk.bytes.length);
    while (rest.length > 0) {
      // A full part is stored when more comes: the last one of a file is stored below, full or not.
      if (part.isFull) await store(rest.length, rows);
      rest = part.fill(rest);
    }
    rows = chunk.rows;
  }
  if (part.size > 0 || upload.done.length === 0) await store(0, rows);
  return rows;
}

/** Completes an upload, unless an earlier attempt has completed it. */
export async function completeUpload(
  ctx: Context,
  key: string,
  upload: MultipartUpload,
  asOf: string,
): Promise<void> {
  try {
    await upload.complete();
  } catch (error) {
    const found = await storedObject(ctx.files.head(key));
    if (found?.size !== upload.bytes || found.customMetadata?.as_of !== asOf) throw error;
  }
}
