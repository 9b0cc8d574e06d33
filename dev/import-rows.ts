import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { parse } from "csv-parse";
import { linesOf } from "../src/intake/lines.ts";
import { type JsonFault, parseJson } from "../src/lib/json.ts";
import type { Row } from "./import-mapping.ts";

/** One row of the file, or the reason why its text is not a row. */
export type Read = { row: Row } | { broken: string };

export interface Layout {
  /** Of a file without a header, whose columns are parted by spaces. */
  columns?: string[] | undefined;
  /** Between the cells of a line; absent: by the file's name. */
  delimiter?: string | undefined;
}

const NDJSON = /\.(ndjson|jsonl|json)(\.gz)?$/i;
const TABS = /\.tsv(\.gz)?$/i;

const BROKEN = { line_too_long: "is too long", invalid_utf8: "is not UTF-8" };

/** Text that another decoder has read: malformed UTF-8 has become U+FFFD, as a real U+FFFD would be. */
const isDamaged = (cells: readonly string[]) => cells.some((cell) => cell.includes("\ufffd"));

function objectOf(line: string): Read {
  try {
    const faults: JsonFault[] = [];
    const row = parseJson(line, faults);
    const [fault] = faults;
    if (fault) return { broken: `${fault.path} ${fault.message}` };
    if (typeof row === "object" && row !== null && !Array.isArray(row)) return { row: row as Row };
    return { broken: "is no JSON object" };
  } catch (error) {
    return { broken: `is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/**
 * Rows of a file, read as a stream: NDJSON and gzip by its name, everything else as CSV with a
 * header line. An unreadable row is given as broken, and the next ones follow.
 */
export async function* readRows(
  file: string,
  { columns, delimiter }: Layout,
): AsyncGenerator<Read> {
  const bytes = createReadStream(file);
  const plain = /\.gz$/i.test(file) ? bytes.pipe(createGunzip()) : bytes;
  bytes.on("error", (error) => plain.destroy(error));
  if (columns) {
    for await (const line of createInterface({ input: plain })) {
      const values = line.trim().split(/\s+/);
      if (values.length > 1)
        yield { row: Object.fromEntries(columns.map((name, index) => [name, values[index]])) };
    }
    return;
  }
  if (NDJSON.test(file)) {
    for await (const { text } of linesOf(Readable.toWeb(plain) as ReadableStream<Uint8Array>))
      yield typeof text === "string" ? objectOf(text) : { broken: BROKEN[text.fault] };
    return;
  }
  const between = delimiter ?? (TABS.test(file) ? "\t" : ",");
  const options = {
    bom: true,
    skip_empty_lines: true,
    trim: true,
    relax_column_count: true,
    delimiter: between,
  };
  let header: string[] | undefined;
  for await (const cells of plain.pipe(parse(options)) as AsyncIterable<string[]>) {
    if (!header) header = cells;
    else if (isDamaged(cells)) yield { broken: `${BROKEN.invalid_utf8}, or has U+FFFD` };
    else if (cells.length === header.length)
      yield { row: Object.fromEntries(header.map((name, index) => [name, cells[index]])) };
    else yield { broken: `has ${cells.length} cells, and the header ${header.length}` };
  }
}
