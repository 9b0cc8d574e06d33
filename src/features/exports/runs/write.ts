import { sql } from "drizzle-orm";
import { z } from "zod";
import { localDate } from "../../../analytics/time/zones.ts";
import type { Context } from "../../../context.ts";
import type { Db } from "../../../db/client.ts";
import type { FileColumn } from "../../../formats/columns.ts";
import { FILE_FORMATS } from "../../../formats/table.ts";
import { type FileTotals, totalsText } from "../../../formats/totals.ts";
import { AppError } from "../../../lib/errors.ts";
import { parseInstant } from "../../../lib/time.ts";
import { storedObject } from "../../../storage/stored.ts";
import { exportColumns, exportQuestion } from "../definition/request.ts";
import type { ExportFile } from "../schema.ts";
import { EXPORT_SOURCES } from "../sources/catalog.ts";
import type { ExportSource } from "../sources/source.ts";
import { exportFileKey, exportManifestKey } from "./keys.ts";
import { type ExportClaim, renewClaim, saveExport } from "./queries.ts";
import {
  beginning,
  complete,
  type ExportHooks,
  summed,
  uploadAll,
  type Walk,
} from "./upload-parts.ts";

/** Writes the file and its manifest from one snapshot. @throws ClaimLost; AppError unprocessable for what the format or the limit cannot hold */
export async function writeExport(
  ctx: Context,
  db: Db,
  claim: ExportClaim,
  hooks: ExportHooks,
): Promise<void> {
  const { workspaceId, request } = claim;
  const source: ExportSource = EXPORT_SOURCES[request.source];
  const format = FILE_FORMATS[request.format];
  const now = await db.maybe({ sql: sql`select now() as at`, row: z.object({ at: z.string() }) });
  const at = now?.at ?? "";
  const question = exportQuestion(workspaceId, request, parseInstant(at) ?? 0);
  const columns = exportColumns(source, question, request.columns);
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

async function finish(
  ctx: Context,
  claim: ExportClaim,
  begun: Walk,
  rows: number,
  columns: FileColumn[],
  totals: Record<string, unknown>,
): Promise<void> {
  const { workspaceId, id, request } = claim;
  const format = FILE_FORMATS[request.format];
  const key = exportFileKey(workspaceId, id, 0);
  await renewClaim(ctx, claim);
  await complete(ctx, key, begun);
  await renewClaim(ctx, claim);
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
    exportManifestKey(workspaceId, id),
    `${JSON.stringify(manifest, null, 2)}\n`,
    { httpMetadata: { contentType: "application/json" } },
  );
  await storedObject(put);
  await saveExport(ctx, claim, rows, [file], ctx.config.EXPORT_RETENTION_DAYS);
}
