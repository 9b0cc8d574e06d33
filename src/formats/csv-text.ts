import Papa from "papaparse";
import type { FileColumn, FileRow } from "./columns.ts";
import { FORMULA } from "./csv.ts";

const safe = (text: string) => (FORMULA.test(text) ? `'${text}` : text);

/** Numbers and times are never formulas. */
function cellOf(value: unknown, { kind }: FileColumn): unknown {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : value;
  return typeof text === "string" && (kind === "text" || kind === "json") ? safe(text) : text;
}

/** The empty text is quoted: an absent value is not, and they are not the same. */
const quotes = (value: unknown) => value === "";
const lines = (data: unknown[][]) =>
  data.length === 0 ? "" : `${Papa.unparse(data, { newline: "\r\n", quotes })}\r\n`;

/** A whole CSV as an export would have it, for an answer that is small. */
export function csvText(columns: readonly FileColumn[], rows: readonly FileRow[]): string {
  const header = lines([columns.map(({ name }) => safe(name))]);
  return (
    header + lines(rows.map((row) => columns.map((column) => cellOf(row[column.name], column))))
  );
}
