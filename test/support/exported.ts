import { z } from "zod";
import type { Db } from "../../src/db/client.ts";
import type { Snapshot } from "../../src/db/snapshot.ts";
import type { OpenedRows } from "../../src/features/exports/sources/source.ts";
import type { FileColumn } from "../../src/formats/columns.ts";
import { FILE_START } from "../../src/formats/format.ts";
import { ndjsonFormat } from "../../src/formats/json-rows.ts";

const encoder = new TextEncoder();

/** Values as the server sends a row (PostgreSQL, "Message Formats", DataRow). */
export function dataRow(values: readonly (string | null)[]): Uint8Array {
  const texts = values.map((value) => (value === null ? null : encoder.encode(value)));
  const size = texts.reduce((sum, text) => sum + 4 + (text?.length ?? 0), 7);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x44);
  view.setInt32(1, size - 1);
  view.setInt16(5, texts.length);
  let at = 7;
  for (const text of texts) {
    view.setInt32(at, text?.length ?? -1);
    bytes.set(text ?? [], at + 4);
    at += 4 + (text?.length ?? 0);
  }
  return bytes;
}

const written = (value: unknown) =>
  typeof value === "object" ? JSON.stringify(value) : String(value);

/** A database that is no session, for an export of rows that nobody changes meanwhile. */
export const readable = (db: Db): Snapshot => ({
  ...db,
  read: async (sql, into) => {
    const rows = await db.all({ sql, row: z.record(z.string(), z.unknown()) });
    into.clear();
    for (const row of rows)
      into.add(
        dataRow(Object.values(row).map((value) => (value === null ? null : written(value)))),
      );
  },
  readPages: () => Promise.reject(new Error("It has no session to keep rows in")),
});

/** The rows of an export, as its NDJSON has them. */
export async function exportedRows(
  opened: OpenedRows,
  columns: readonly FileColumn[],
  pageRows = 100,
): Promise<Record<string, unknown>[]> {
  const options = { columns, gzip: false, neutralize: false };
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of ndjsonFormat.encode(opened.pages(null, pageRows), options, FILE_START))
    text += decoder.decode(chunk.bytes);
  return text === ""
    ? []
    : text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
}
