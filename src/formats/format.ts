import type { FileColumn, FileRow } from "./columns.ts";

/**
 * A place from which an encoder makes the same bytes again: position of the source, rows before it,
 * state of the format.
 */
export interface ResumePoint {
  after: string[] | null;
  rows: number;
  state: unknown;
}

export const FILE_START: ResumePoint = { after: null, rows: 0, state: null };

/** Rows of one page of a source, with the positions before and behind them. */
export interface RowPage {
  rows: readonly FileRow[];
  before: string[] | null;
  after: string[] | null;
}

export interface FileChunk {
  /** Valid until the next chunk is asked for. */
  bytes: Uint8Array;
  /** Rows of the file up to here. */
  rows: number;
  /** The place from which this chunk and all later ones can be made again. */
  from(): ResumePoint;
}

export interface FormatOptions {
  columns: readonly FileColumn[];
  gzip: boolean;
  /** CSV: texts that a spreadsheet would take for a formula get an apostrophe. */
  neutralize: boolean;
}

export interface FileFormat {
  contentType: string;
  extension: string;
  /** Whether gzip is worth it: the other formats are compressed already. */
  gzip: boolean;
  maxRows: number;
  /** Rows that are read, formatted and forgotten together: a row may have 16 KiB of metadata. */
  pageRows: number;
  /** The file from `from` on, chunk by chunk: the same chunks for the same pages. */
  encode(
    pages: AsyncIterable<RowPage>,
    options: FormatOptions,
    from: ResumePoint,
  ): AsyncIterable<FileChunk>;
}

/** Chunks of a file that every attempt makes from its first byte. */
export async function* fromStart(
  bytes: ReadableStream<Uint8Array>,
  rows: () => number,
): AsyncGenerator<FileChunk> {
  for await (const each of bytes) yield { bytes: each, rows: rows(), from: () => FILE_START };
}

/** One gzip member: browsers read only the first. */
function gzipped(chunks: AsyncIterable<FileChunk>): AsyncIterable<FileChunk> {
  let rows = 0;
  const iterator = chunks[Symbol.asyncIterator]();
  const plain = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await iterator.next();
      if (done) return controller.close();
      rows = value.rows;
      controller.enqueue(value.bytes);
    },
  });
  return fromStart(plain.pipeThrough(new CompressionStream("gzip")), () => rows);
}

/** Rows of one text: larger texts are large objects, which only a full collection frees. */
const TEXT_ROWS = 100;

interface Text {
  /** Before the first row. */
  head(options: FormatOptions): string;
  body(rows: readonly FileRow[], options: FormatOptions, first: boolean): string;
  tail(empty: boolean): string;
}

/** A format whose pages are texts that follow each other: any of them can be made alone. */
export function textFormat({ head, body, tail }: Text): FileFormat["encode"] {
  const encoder = new TextEncoder();
  async function* encode(
    pages: AsyncIterable<RowPage>,
    options: FormatOptions,
    from: ResumePoint,
  ): AsyncGenerator<FileChunk> {
    let here = from;
    for await (const { rows, after } of pages) {
      const start = here;
      for (let row = 0; row < rows.length; row += TEXT_ROWS) {
        const first = start.rows + row === 0;
        const slice = rows.slice(row, row + TEXT_ROWS);
        const text = `${first ? head(options) : ""}${body(slice, options, first)}`;
        yield {
          bytes: encoder.encode(text),
          rows: start.rows + row + slice.length,
          from: () => start,
        };
      }
      here = { after, rows: start.rows + rows.length, state: null };
    }
    const last = here;
    const empty = last.rows === 0;
    const end = `${empty ? head(options) : ""}${tail(empty)}`;
    if (end !== "") yield { bytes: encoder.encode(end), rows: last.rows, from: () => last };
  }
  return (pages, options, from) =>
    options.gzip ? gzipped(encode(pages, options, FILE_START)) : encode(pages, options, from);
}
