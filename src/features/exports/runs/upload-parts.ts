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

/** Called after each part that was stored; a test ends the attempt here. */
export interface ExportHooks {
  afterPart?(parts: number): unknown;
}

export interface Walk {
  upload: MultipartUpload;
  fingerprint: string;
  from: ResumePoint;
  skip: number;
  totals: FileTotals;
  asOf: string;
}

/** Changes with what makes the bytes or the state that is kept with them: what an earlier version began is begun anew. */
const LAYOUT = 2;

/** Where this attempt begins: behind the last stored part if the rows are still the same, else at the first row. */
export async function beginning(
  ctx: Context,
  claim: ExportClaim,
  opened: OpenedRows,
  asOf: string,
  totalled: readonly FileColumn[],
): Promise<Walk> {
  const key = exportFileKey(claim.workspaceId, claim.id, 0);
  const fingerprint = `${LAYOUT}:${opened.fingerprint}`;
  const { progress, request, as_of } = claim;
  if (progress && as_of !== null) {
    const upload = MultipartUpload.resume(ctx, key, progress);
    if (progress.fingerprint === fingerprint) {
      const from = { ...progress.from, state: progress.from.state ?? null };
      return {
        upload,
        fingerprint,
        from,
        skip: progress.skip,
        totals: progress.totals,
        asOf: as_of,
      };
    }
    await upload.abort();
  }
  await saveExportStart(ctx, claim, asOf, opened.rows);
  const upload = await MultipartUpload.begin(
    ctx,
    key,
    request.gzip ? "application/gzip" : FILE_FORMATS[request.format].contentType,
    asOf,
  );
  return { upload, fingerprint, from: FILE_START, skip: 0, totals: zeroTotals(totalled), asOf };
}

/** Pages with their totals kept for as long as an attempt could begin at one of them. */
export async function* summed(
  pages: AsyncIterable<RowPage>,
  begun: Walk,
  known: Map<number, FileTotals>,
): AsyncGenerator<RowPage> {
  let [rows, totals] = [begun.from.rows, begun.totals];
  known.set(rows, totals);
  for await (const page of pages) {
    rows += page.rows.length;
    totals = addTotals(totals, page.rows);
    known.set(rows, totals);
    yield page;
  }
}

/** Uploads chunks as parts of equal size, and keeps after each where another attempt would go on. @returns all rows */
export async function uploadAll(
  ctx: Context,
  claim: ExportClaim,
  begun: Walk,
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
    // A chunk that begins anew begins where the bytes before it end; one of a file that cannot be entered counts from its first byte.
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

/** An upload that an earlier attempt completed is there already. */
export async function complete(ctx: Context, key: string, { upload, asOf }: Walk): Promise<void> {
  const bytes = upload.done.reduce((sum, part) => sum + part.bytes, 0);
  try {
    await upload.complete();
  } catch (error) {
    const found = await storedObject(ctx.files.head(key));
    if (found?.size !== bytes || found.customMetadata?.as_of !== asOf) throw error;
  }
}
