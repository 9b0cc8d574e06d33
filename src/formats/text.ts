import Papa from "papaparse";
import type { Column, Row } from "./columns.ts";
import { type Format, type Options, textFormat } from "./format.ts";

/** What a spreadsheet takes for the begin of a formula (OWASP, CSV Injection). */
const FORMULA = /^[=+\-@\t\r]/;

function cellOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}

const cells = (rows: readonly Row[], columns: readonly Column[]) => rows.map((row) => columns.map(({ name }) => cellOf(row[name])));
const lines = (data: unknown[][], neutralize: boolean) =>
  data.length === 0 ? "" : `${Papa.unparse(data, { newline: "\r\n", escapeFormulae: neutralize ? FORMULA : false })}\r\n`;

/** A row with its columns only, in their order. */
const objectOf = (row: Row, { columns }: Options) =>
  JSON.stringify(Object.fromEntries(columns.map(({ name }) => [name, row[name] ?? null])));

/** A whole CSV, for an answer that is small. */
export function csvOf(columns: readonly Column[], rows: readonly Row[]): string {
  return `${lines([columns.map(({ name }) => name)], false)}${lines(cells(rows, columns), true)}`;
}

/** RFC 4180: CRLF, quotes where needed; an absent value is an empty field. */
export const csv: Format = {
  contentType: "text/csv; charset=utf-8",
  extension: "csv",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 500,
  encode: textFormat({
    head: (columns) => lines([columns.map(({ name }) => name)], false),
    body: (rows, options) => lines(cells(rows, options.columns), options.neutralize),
    tail: () => "",
  }),
};

export const ndjson: Format = {
  contentType: "application/x-ndjson",
  extension: "ndjson",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 500,
  encode: textFormat({
    head: () => "",
    body: (rows, options) => rows.map((row) => `${objectOf(row, options)}\n`).join(""),
    tail: () => "",
  }),
};

export const json: Format = {
  contentType: "application/json",
  extension: "json",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 500,
  encode: textFormat({
    head: () => "[",
    body: (rows, options, first) => rows.map((row, index) => `${first && index === 0 ? "\n" : ",\n"}${objectOf(row, options)}`).join(""),
    tail: () => "\n]\n",
  }),
};
