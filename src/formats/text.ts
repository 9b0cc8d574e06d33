import Papa from "papaparse";
import type { FileColumn, FileRow } from "./columns.ts";
import { type FileFormat, type FormatOptions, textFormat } from "./format.ts";

/** First characters of a formula, full-width signs too (OWASP, CSV Injection). */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

const safe = (text: string, neutralize: boolean) =>
  neutralize && FORMULA.test(text) ? `'${text}` : text;

/** Numbers and times are never formulas. */
function cellOf(value: unknown, { kind }: FileColumn, neutralize: boolean): unknown {
  const text = typeof value === "object" && value !== null ? JSON.stringify(value) : value;
  return typeof text === "string" && (kind === "text" || kind === "json")
    ? safe(text, neutralize)
    : text;
}

/** The empty text is quoted: an absent value is not, and they are not the same. */
const quotes = (value: unknown) => value === "";
const lines = (data: unknown[][]) =>
  data.length === 0 ? "" : `${Papa.unparse(data, { newline: "\r\n", quotes })}\r\n`;
const header = (columns: readonly FileColumn[], neutralize: boolean) =>
  lines([columns.map(({ name }) => safe(name, neutralize))]);
const body = (rows: readonly FileRow[], columns: readonly FileColumn[], neutralize: boolean) =>
  lines(rows.map((row) => columns.map((column) => cellOf(row[column.name], column, neutralize))));

/** A row with its columns only, in their order. */
const objectOf = (row: FileRow, { columns }: FormatOptions) =>
  JSON.stringify(Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null])));

/** A whole CSV, for an answer that is small. */
export function csvText(columns: readonly FileColumn[], rows: readonly FileRow[]): string {
  return `${header(columns, true)}${body(rows, columns, true)}`;
}

/** RFC 4180: CRLF, quotes where needed. An absent value is an empty field, an empty text `""`. */
export const csvFormat: FileFormat = {
  contentType: "text/csv; charset=utf-8",
  extension: "csv",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: ({ columns, neutralize }) => header(columns, neutralize),
    body: (rows, { columns, neutralize }) => body(rows, columns, neutralize),
    tail: () => "",
  }),
};

export const ndjsonFormat: FileFormat = {
  contentType: "application/x-ndjson",
  extension: "ndjson",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: () => "",
    body: (rows, options) => rows.map((row) => `${objectOf(row, options)}\n`).join(""),
    tail: () => "",
  }),
};

export const jsonFormat: FileFormat = {
  contentType: "application/json",
  extension: "json",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: () => "[",
    body: (rows, options, first) =>
      rows
        .map((row, index) => `${first && index === 0 ? "\n" : ",\n"}${objectOf(row, options)}`)
        .join(""),
    tail: () => "\n]\n",
  }),
};
