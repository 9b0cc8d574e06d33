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
  begun: ExportUpload,
  totals: Map<number, FileTotals>,
): AsyncGenerator<RowPage> {
  let rows = begun.from.rows;
  let sums = begun.totals;
  totals.set(rows, sums);
  for await (const page of pages) {
    rows += page.rows.length;
    sums = addTotals(sums, page.rows);
    totals.set(rows, sums);
    yield page;
  }
}

/** Uploads chunks as parts of equal size, and saves after each part where the next attempt begins. */
class PartUploader {
  readonly #ctx: Context;
  readonly #claim: ExportClaim;
  readonly #begun: ExportUpload;
  readonly #totals: Map<number, FileTotals>;
  readonly #hooks: ExportHooks;
  readonly #part = new PartBuffer();
  /** Bytes at the begin of the next chunks that are stored already. */
  #skip: number;
  /** Bytes that the encoder has made in this attempt. */
  #made = 0;
  /** Bytes of those before the resume point. */
  #madeBefore = 0;
  #from: ResumePoint;
  /** Rows up to the end of the last chunk. */
  #rows: number;
  /** Rows that the stored parts end. */
  #storedRows: number;

  constructor(
    ctx: Context,
    claim: ExportClaim,
    begun: ExportUpload,
    totals: Map<number, FileTotals>,
    hooks: ExportHooks,
  ) {
    this.#ctx = ctx;
    this.#claim = claim;
    this.#begun = begun;
    this.#totals = totals;
    this.#hooks = hooks;
    this.#skip = begun.skip;
    this.#from = begun.from;
    this.#rows = begun.from.rows;
    this.#storedRows = begun.upload.done.reduce((sum, part) => sum + part.rows, 0);
  }

  async add(chunk: FileChunk): Promise<void> {
    const from = chunk.from();
    // A chunk with a resume point of its own begins where the bytes before it end. In a file
    // without one, all bytes count from its first.
    if (from.rows !== this.#from.rows || from.after !== this.#from.after) {
      this.#from = from;
      this.#madeBefore = this.#made;
    }
    const { bytes } = chunk;
    this.#made += bytes.length;
    let rest = bytes.subarray(Math.min(this.#skip, bytes.length));
    this.#skip = Math.max(0, this.#skip - bytes.length);
    while (rest.length > 0) {
      // A full part is stored when more bytes come: `finish` stores the last one, full or not.
      if (this.#part.isFull) await this.#store(rest.length);
      rest = this.#part.fill(rest);
    }
    this.#rows = chunk.rows;
  }

  /** @returns all rows of the file */
  async finish(): Promise<number> {
    if (this.#part.size > 0 || this.#begun.upload.done.length === 0) await this.#store(0);
    return this.#rows;
  }

  /** @param left bytes of the current chunk that are not in the part */
  async #store(left: number): Promise<void> {
    const { upload, fingerprint } = this.#begun;
    const rows = this.#rows;
    // An attempt that lost its claim must not overwrite the parts of the next one.
    await renewClaim(this.#ctx, this.#claim);
    await upload.add(this.#part.take(), rows - this.#storedRows);
    this.#storedRows = rows;
    const progress: ExportProgress = {
      fingerprint,
      uploadId: upload.id,
      uploaded: upload.done,
      from: this.#from,
      skip: this.#made - left - this.#madeBefore,
      totals: this.#totals.get(this.#from.rows) ?? {},
    };
    await saveExportProgress(this.#ctx, this.#claim, rows, progress);
    for (const known of this.#totals.keys())
      if (known < this.#from.rows && known !== 0) this.#totals.delete(known);
    await this.#hooks.afterPart?.(upload.done.length);
  }
}

/**
 * @param totals by the number of rows (pagesWithTotals)
 * @returns all rows of the file
 * @throws ClaimLost, UploadLost
 */
export async function uploadChunks(
  ctx: Context,
  claim: ExportClaim,
  begun: ExportUpload,
  chunks: AsyncIterable<FileChunk>,
  totals: Map<number, FileTotals>,
  hooks: ExportHooks,
): Promise<number> {
  const uploader = new PartUploader(ctx, claim, begun, totals, hooks);
  for await (const chunk of chunks) await uploader.add(chunk);
  return uploader.finish();
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
