import type { Cells } from "../lib/cells.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { ColumnKind, FileColumn } from "./columns.ts";
import { type FileFormat, textFormat } from "./format.ts";
import { writeDocument, writeInstant } from "./stored-values.ts";

const [QUOTE, BACKSLASH, SPACE, LETTER_T] = [0x22, 0x5c, 0x20, 0x74];
const encoder = new TextEncoder();
const [TRUE, FALSE] = [encoder.encode("true"), encoder.encode("false")];
const NULL = encoder.encode("null");
/** Of each character that JSON.stringify escapes. */
const ESCAPES = Array.from({ length: BACKSLASH + 1 }, (_, code) =>
  encoder.encode(JSON.stringify(String.fromCharCode(code)).slice(1, -1)),
);

function writeText(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  to.reserve(end - begin + 2);
  to.byte(QUOTE);
  let plain = begin;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) continue;
    to.copy(bytes, plain, at);
    to.copy(ESCAPES[byte] ?? NULL);
    plain = at + 1;
  }
  to.copy(bytes, plain, end);
  to.reserve(1);
  to.byte(QUOTE);
}

function writeQuotedInstant(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  to.reserve(1);
  to.byte(QUOTE);
  writeInstant(to, bytes, begin, end);
  to.reserve(1);
  to.byte(QUOTE);
}

function writeValue(
  to: ByteWriter,
  kind: ColumnKind,
  bytes: Uint8Array,
  begin: number,
  end: number,
): void {
  if (begin < 0) to.copy(NULL);
  else if (kind === "text" || kind === "decimal") writeText(to, bytes, begin, end);
  else if (kind === "json") writeDocument(to, bytes, begin, end);
  else if (kind === "timestamp") writeQuotedInstant(to, bytes, begin, end);
  else if (kind === "boolean") to.copy(bytes[begin] === LETTER_T ? TRUE : FALSE);
  else to.copy(bytes, begin, end);
}

const [OPEN, END, LAST] = [encoder.encode("["), encoder.encode("}"), encoder.encode("\n]\n")];
const [LINE, NEXT] = [encoder.encode("\n"), encoder.encode(",\n")];

/** The text before each value of an object. */
const namesOf = (columns: readonly FileColumn[]) =>
  columns.map(({ name }, index) =>
    encoder.encode(`${index === 0 ? "{" : ","}${JSON.stringify(name)}:`),
  );

/** The text around the rows of a page. */
interface Around {
  first?: Uint8Array;
  before?: Uint8Array;
  behind?: Uint8Array;
}

/** Writes each row as an object. */
function writeRows(
  to: ByteWriter,
  { bytes, bounds, rows, width }: Cells,
  columns: readonly FileColumn[],
  { first, before, behind }: Around,
): void {
  const names = namesOf(columns);
  for (let row = 0; row < rows; row++) {
    const start = row === 0 ? first : before;
    if (start) to.copy(start);
    let at = 2 * row * width;
    for (const [column, { kind }] of columns.entries()) {
      to.copy(names[column] ?? NULL);
      const begin = bounds[at++] ?? -1;
      writeValue(to, kind, bytes, begin, bounds[at++] ?? -1);
    }
    to.copy(END);
    if (behind) to.copy(behind);
  }
}

export const ndjsonFormat: FileFormat = {
  contentType: "application/x-ndjson",
  extension: "ndjson",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: () => undefined,
    body: (to, cells, { columns }) => writeRows(to, cells, columns, { behind: LINE }),
    tail: () => undefined,
  }),
};

export const jsonFormat: FileFormat = {
  contentType: "application/json",
  extension: "json",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: (to) => to.copy(OPEN),
    body: (to, cells, { columns }, isFirst) =>
      writeRows(to, cells, columns, { before: NEXT, first: isFirst ? LINE : NEXT }),
    tail: (to) => to.copy(LAST),
  }),
};
