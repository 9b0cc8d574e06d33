import { sql } from "drizzle-orm";
import { z } from "zod";
import { localDate } from "../../../analytics/time/zones.ts";
import type { Context } from "../../../context.ts";
import type { Db } from "../../../db/client.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import {
  FILE_START,
  type FileChunk,
  type ResumePoint,
  type RowPage,
} from "../../../formats/format.ts";
import { FILE_FORMATS } from "../../../formats/table.ts";
import { addTotals, type FileTotals, totalsText, zeroTotals } from "../../../formats/totals.ts";
import { AppError } from "../../../lib/errors.ts";
import { parseInstant } from "../../../lib/time.ts";
import { storedObject } from "../../../storage/stored.ts";
import { columnsOf, questionOf } from "../definition/request.ts";
import { type Claim, type Progress, renew, saveDone, saveProgress, saveStart } from "../queries.ts";
import type { ExportFile } from "../schema.ts";
import { SOURCES } from "../sources/catalog.ts";
import type { Opened, Source } from "../sources/source.ts";
import { Part, Upload } from "./upload.ts";

export const folderOf = (workspaceId: string, id: string) => `exports/${workspaceId}/${id}/`;
export const fileKey = (workspaceId: string, id: string, n: number) =>
  `${folderOf(workspaceId, id)}${n}`;
export const manifestKey = (workspaceId: string, id: string) =>
  `${folderOf(workspaceId, id)}manifest.json`;

/** Called after each part that was stored; a test ends the attempt here. */
export interface Hooks {
  afterPart?(parts: number): unknown;
}

interface Walk {
  upload: Upload;
  fingerprint: string;
  from: ResumePoint;
  skip: number;
  totals: FileTotals;
  asOf: string;
}

/** Changes with what makes the bytes or the state that is kept with them: what an earlier version began is begun anew. */
const LAYOUT = 2;

/** Where this attempt begins: behind the last stored part if the rows are still the same, else at the first row. */
async function beginning(
  ctx: Context,
  claim: Claim,
  opened: Opened,
  asOf: string,
  totalled: readonly FileColumn[],
): Promise<Walk> {
  const key = fileKey(claim.workspaceId, claim.id, 0);
  const fingerprint = `${LAYOUT}:${opened.fingerprint}`;
  const { progress, request, as_of } = claim;
  if (progress && as_of !== null) {
    const upload = Upload.resume(ctx, key, progress);
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
  await saveStart(ctx, claim, asOf, opened.rows);
  const upload = await Upload.begin(
    ctx,
    key,
    request.gzip ? "application/gzip" : FILE_FORMATS[request.format].contentType,
    asOf,
  );
  return { upload, fingerprint, from: FILE_START, skip: 0, totals: zeroTotals(totalled), asOf };
}

/** Pages with their totals kept for as long as an attempt could begin at one of them. */
async function* summed(
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
async function uploadAll(
  ctx: Context,
  claim: Claim,
  begun: Walk,
  chunks: AsyncIterable<FileChunk>,
  known: Map<number, FileTotals>,
  hooks: Hooks,
): Promise<number> {
  const { upload, fingerprint } = begun;
  const part = new Part();
  let [skip, made, base, rows] = [begun.skip, 0, 0, begun.from.rows];
  let [from, stored] = [begun.from, upload.done.reduce((sum, each) => sum + each.rows, 0)];
  /** @param left bytes of the current chunk that are not in the part; @param whole rows that are */
  const store = async (left: number, whole: number) => {
    // An attempt that lost its claim must not write over the parts of the one that has it.
    await renew(ctx, claim);
    await upload.add(part.take(), whole - stored);
    stored = whole;
    const totals = known.get(from.rows) ?? {};
    const progress: Progress = {
      fingerprint,
      uploadId: upload.id,
      uploaded: upload.done,
      from,
      skip: made - left - base,
      totals,
    };
    await saveProgress(ctx, claim, whole, progress);
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

/** Writes the file and its manifest from one snapshot. @throws ClaimLost; AppError unprocessable for what the format or the limit cannot hold */
export async function walk(ctx: Context, db: Db, claim: Claim, hooks: Hooks): Promise<void> {
  const { workspaceId, request } = claim;
  const source: Source = SOURCES[request.source];
  const format = FILE_FORMATS[request.format];
  const now = await db.maybe({ sql: sql`select now() as at`, row: z.object({ at: z.string() }) });
  const at = now?.at ?? "";
  const question = questionOf(workspaceId, request, parseInstant(at) ?? 0);
  const columns = columnsOf(source, question, request.columns);
  const opened = await source.open(db, question, columns);
  const most = Math.min(ctx.config.MAX_EXPORT_ROWS, format.maxRows);
  if (opened.rows > most)
    throw new AppError(
      "unprocessable",
      "too_many_rows",
      `The export would have ${opened.rows} rows; at most ${most} fit.`,
    );

  const totalled = columns.filter((column) => source.totals(question).includes(column.name));
  const begun = await beginning(ctx, claim, opened, at, totalled);
  const known = new Map<number, FileTotals>();
  const pages = summed(opened.pages(begun.from.after, format.pageRows), begun, known);
  const chunks = format.encode(
    pages,
    { columns, gzip: request.gzip, neutralize: request.neutralize },
    begun.from,
  );
  const rows = await uploadAll(ctx, claim, begun, chunks, known, hooks);
  if (rows !== opened.rows) throw new Error(`The walk gave ${rows} rows of ${opened.rows}`);
  await finish(
    ctx,
    claim,
    begun,
    rows,
    columns,
    totalsText(known.get(rows) ?? begun.totals, columns),
  );
}

/** An upload that an earlier attempt completed is there already. */
async function complete(ctx: Context, key: string, { upload, asOf }: Walk): Promise<void> {
  const bytes = upload.done.reduce((sum, part) => sum + part.bytes, 0);
  try {
    await upload.complete();
  } catch (error) {
    const found = await storedObject(ctx.files.head(key));
    if (found?.size !== bytes || found.customMetadata?.as_of !== asOf) throw error;
  }
}

async function finish(
  ctx: Context,
  claim: Claim,
  begun: Walk,
  rows: number,
  columns: FileColumn[],
  totals: Record<string, unknown>,
): Promise<void> {
  const { workspaceId, id, request } = claim;
  const format = FILE_FORMATS[request.format];
  const key = fileKey(workspaceId, id, 0);
  await renew(ctx, claim);
  await complete(ctx, key, begun);
  await renew(ctx, claim);
  const parts = begun.upload.done.map(({ rows: of, bytes, sha256 }) => ({
    rows: of,
    bytes,
    sha256,
  }));
  const dates = [request.from, request.to].map((at) =>
    localDate(parseInstant(at) ?? 0, request.timezone),
  );
  const file: ExportFile = {
    name: `${request.source}-${dates.join("-")}.${format.extension}${request.gzip ? ".gz" : ""}`,
    content_type: request.gzip ? "application/gzip" : format.contentType,
    rows,
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
    parts,
  };
  const manifest = {
    export_id: id,
    workspace_id: workspaceId,
    request,
    as_of: begun.asOf,
    schema: columns,
    totals: { rows, ...totals },
    files: [file],
  };
  const put = ctx.files.put(
    manifestKey(workspaceId, id),
    `${JSON.stringify(manifest, null, 2)}\n`,
    { httpMetadata: { contentType: "application/json" } },
  );
  await storedObject(put);
  await saveDone(ctx, claim, rows, [file], ctx.config.EXPORT_RETENTION_DAYS);
}
