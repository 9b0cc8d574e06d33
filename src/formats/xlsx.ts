import type { CellValue } from "hucre";
import { type Cells, textBetween } from "../lib/cells.ts";
import { parseStored } from "../lib/json.ts";
import { UNWRITABLE_CHARACTERS, writableText } from "../lib/markup.ts";
import { cutText } from "../lib/text.ts";
import { parseInstant } from "../lib/time.ts";
import type { ColumnKind, FileColumn, FileRow } from "./columns.ts";
import { type FileFormat, fromStart, type RowPage } from "./format.ts";
import { instantBetween, numberBetween } from "./stored-values.ts";

/** Excel's sheet has 1,048,576 rows, one of them the header's. */
const MAX_ROWS = 1_048_575;
/** Characters of a cell. */
const MAX_CELL = 32_767;
const WIDTHS: Record<ColumnKind, number> = {
  text: 24,
  integer: 12,
  float: 14,
  decimal: 16,
  timestamp: 24,
  boolean: 8,
  json: 40,
};
const FORMATS: Partial<Record<ColumnKind, string>> = {
  integer: "0",
  decimal: "0.000000",
  timestamp: "yyyy-mm-dd hh:mm:ss.000",
};

const escaped = (char: string) =>
  `_x${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}_`;

/**
 * Text of a cell. Characters that XML cannot hold are written as `_xHHHH_`, which spreadsheets read
 * as the character; text that looks like such an escape is escaped too (ECMA-376, ST_Xstring).
 */
export const cellText = (text: string): string =>
  text.replaceAll(/_(?=x[0-9A-Fa-f]{4}_)/g, "_x005F_").replaceAll(UNWRITABLE_CHARACTERS, escaped);

/** At most what a cell may hold once it is escaped; cut at a whole character. */
function limitedText(text: string): string {
  const whole = cellText(text);
  if (whole.length <= MAX_CELL) return whole;
  // An escape is seven characters, and is not cut in its middle.
  return cutText(whole, MAX_CELL).replace(/_(x[0-9A-Fa-f]{0,4})?$/, "");
}

function cellOf(value: unknown, { kind }: FileColumn): CellValue {
  if (value === null || value === undefined) return null;
  if (kind === "timestamp") return new Date(Math.floor((parseInstant(String(value)) ?? 0) / 1000));
  if (kind === "decimal") return Number(value);
  if (kind === "json") return limitedText(JSON.stringify(value));
  return typeof value === "number" || typeof value === "boolean"
    ? value
    : limitedText(String(value));
}

/** A stored value as a cell; `cellOf` gives the same for what the API reads of it. */
function storedCell(bytes: Uint8Array, begin: number, end: number, kind: ColumnKind): CellValue {
  switch (kind) {
    case "timestamp":
      return new Date(Math.floor(instantBetween(bytes, begin, end) / 1000));
    case "boolean":
      return bytes[begin] === 0x74;
    case "integer":
    case "float":
    case "decimal":
      return numberBetween(bytes, begin, end);
    case "json":
      return limitedText(JSON.stringify(parseStored(textBetween(bytes, begin, end))));
    default:
      return limitedText(textBetween(bytes, begin, end));
  }
}

function* storedRows({ bytes, bounds, width, rows }: Cells, columns: readonly FileColumn[]) {
  for (let row = 0; row < rows; row++)
    yield columns.map(({ kind }, column): CellValue => {
      const at = 2 * (row * width + column);
      const begin = bounds[at] ?? -1;
      return begin < 0 ? null : storedCell(bytes, begin, bounds[at + 1] ?? -1, kind);
    });
}

function columnOf({ name, kind }: FileColumn) {
  const format = FORMATS[kind];
  return { width: Math.max(WIDTHS[kind], name.length + 2), ...(format ? { numFmt: format } : {}) };
}

export interface XlsxSheet {
  /** One that a spreadsheet takes (formats/sheet-names.ts). */
  name: string;
  columns: FileColumn[];
  rows: FileRow[];
}

/** A workbook that is small enough to be held: typed cells, each sheet under a frozen header. */
export async function workbookOf(sheets: readonly XlsxSheet[]): Promise<Uint8Array> {
  const { writeXlsx } = await import("hucre/xlsx");
  return writeXlsx({
    sheets: sheets.map(({ name, columns, rows }) => ({
      // An attribute, where no escape is read.
      name: writableText(name),
      columns: columns.map(columnOf),
      rows: [
        columns.map((column) => cellText(column.name)),
        ...rows.map((row) => columns.map((column) => cellOf(row[column.name], column))),
      ],
      freezePane: { rows: 1 },
    })),
  });
}

/** Typed cells under a frozen header. */
export const xlsxFormat: FileFormat = {
  contentType: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  extension: "xlsx",
  gzip: false,
  maxRows: MAX_ROWS,
  pageRows: 1_000,
  async *encode(pages, { columns }) {
    const { writeXlsxStream } = await import("hucre/xlsx");
    let done = 0;
    async function* rowsOf(of: AsyncIterable<RowPage>) {
      for await (const { cells } of of) {
        yield* storedRows(cells, columns);
        done += cells.rows;
      }
    }
    const stream = writeXlsxStream(rowsOf(pages), {
      name: "Export",
      columns: columns.map((column) => ({ header: cellText(column.name), ...columnOf(column) })),
      freezePane: { rows: 1 },
    });
    yield* fromStart(stream, () => done);
  },
};
