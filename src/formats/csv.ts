import type { Cells } from "../lib/cells.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { FileColumn } from "./columns.ts";
import { type FileFormat, type FormatOptions, textFormat } from "./format.ts";
import { writeDocument, writeInstant } from "./stored-values.ts";

const [QUOTE, COMMA, CR, LF, SPACE, APOSTROPHE] = [0x22, 0x2c, 0x0d, 0x0a, 0x20, 0x27];
const LETTER_T = 0x74;
const encoder = new TextEncoder();

/** First characters of a formula, full-width signs too (OWASP, CSV Injection). */
export const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
const FORMULA_BYTES = new Set(encoder.encode("=+-@\t\r\n"));
/** Full-width signs are EF BC and one of these. */
const WIDE_SIGNS = new Set([0x9d, 0x8b, 0x8d, 0xa0]);

/** Bytes with which a field is quoted: a byte order mark counts, and begins with EF. */
const NOTABLE = new Uint8Array(256);
for (const byte of [QUOTE, COMMA, CR, LF, 0xef]) NOTABLE[byte] = 1;

const isMark = (bytes: Uint8Array, at: number) =>
  bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf;

function isFormula(bytes: Uint8Array, begin: number): boolean {
  const byte = bytes[begin] ?? 0;
  if (byte !== 0xef) return FORMULA_BYTES.has(byte);
  return bytes[begin + 1] === 0xbc && WIDE_SIGNS.has(bytes[begin + 2] ?? 0);
}

function writeQuoted(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  to.byte(QUOTE);
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) to.byte(QUOTE);
    to.byte(byte);
  }
  to.byte(QUOTE);
}

/** Copies a text up to where it shows that it needs quotes. @returns whether that is its end */
function isCopied(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): boolean {
  if (bytes[begin] === SPACE || bytes[end - 1] === SPACE) return false;
  const target = to.bytes;
  let size = to.size;
  for (let at = begin; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (NOTABLE[byte] === 1 && (byte !== 0xef || isMark(bytes, at))) return false;
    target[size++] = byte;
  }
  to.size = size;
  return true;
}

/**
 * Writes a text as a field (RFC 4180), in quotes where it needs them. The empty text is quoted: an
 * absent value is not, and they are not the same.
 */
function writeField(
  to: ByteWriter,
  bytes: Uint8Array,
  begin: number,
  end: number,
  neutralize: boolean,
): void {
  to.reserve(2 * (end - begin) + 3);
  if (neutralize && begin < end && isFormula(bytes, begin)) writeGuarded(to, bytes, begin, end);
  else if (begin === end || !isCopied(to, bytes, begin, end)) writeQuoted(to, bytes, begin, end);
}

/** Writes a formula as a text, behind an apostrophe. */
function writeGuarded(to: ByteWriter, bytes: Uint8Array, begin: number, end: number): void {
  const text = new Uint8Array(end - begin + 1);
  text[0] = APOSTROPHE;
  text.set(bytes.subarray(begin, end), 1);
  if (!isCopied(to, text, 0, text.length)) writeQuoted(to, text, 0, text.length);
}

function endLine(to: ByteWriter): void {
  to.reserve(2);
  to.byte(CR);
  to.byte(LF);
}

function writeComma(to: ByteWriter): void {
  to.reserve(1);
  to.byte(COMMA);
}

function writeHeader(to: ByteWriter, columns: readonly FileColumn[], neutralize: boolean): void {
  for (const [index, { name }] of columns.entries()) {
    if (index > 0) writeComma(to);
    const bytes = encoder.encode(name);
    writeField(to, bytes, 0, bytes.length, neutralize);
  }
  endLine(to);
}

const [TRUE, FALSE] = [encoder.encode("true"), encoder.encode("false")];

/** Where a document is written before it becomes a field: no field outlives the call. */
const document = new ByteWriter();

function writeDocumentField(
  to: ByteWriter,
  bytes: Uint8Array,
  begin: number,
  end: number,
  neutralize: boolean,
): void {
  document.clear();
  writeDocument(document, bytes, begin, end);
  writeField(to, document.written, 0, document.size, neutralize);
}

function writeRow(
  to: ByteWriter,
  { bytes, bounds, width }: Cells,
  row: number,
  { columns, neutralize }: FormatOptions,
): void {
  let at = 2 * row * width;
  for (let column = 0; column < columns.length; column++) {
    if (column > 0) writeComma(to);
    const begin = bounds[at++] ?? -1;
    const end = bounds[at++] ?? -1;
    if (begin < 0) continue;
    const kind = columns[column]?.kind;
    if (kind === "text") writeField(to, bytes, begin, end, neutralize);
    else if (kind === "json") writeDocumentField(to, bytes, begin, end, neutralize);
    // The others need no quotes, and are never formulas.
    else if (kind === "timestamp") writeInstant(to, bytes, begin, end);
    else if (kind === "boolean") to.copy(bytes[begin] === LETTER_T ? TRUE : FALSE);
    else to.copy(bytes, begin, end);
  }
  endLine(to);
}

/** RFC 4180: CRLF, quotes where needed. An absent value is an empty field, an empty text `""`. */
export const csvFormat: FileFormat = {
  contentType: "text/csv; charset=utf-8",
  extension: "csv",
  gzip: true,
  maxRows: Number.POSITIVE_INFINITY,
  pageRows: 150,
  encode: textFormat({
    head: (to, { columns, neutralize }) => writeHeader(to, columns, neutralize),
    body: (to, cells, options) => {
      for (let row = 0; row < cells.rows; row++) writeRow(to, cells, row, options);
    },
    tail: () => undefined,
  }),
};
