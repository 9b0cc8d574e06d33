import type { Cells } from "../lib/cells.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { FileColumn } from "./columns.ts";

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

/** Rows of one page of a source, and the position behind them. */
export interface RowPage {
  /**
   * The values of the file's columns come first, in their order. Valid until the next page is
   * asked for.
   */
  cells: Cells;
  after: string[];
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
      // The next chunk is made in the same bytes.
      controller.enqueue(value.bytes.slice());
    },
  });
  return fromStart(plain.pipeThrough(new CompressionStream("gzip")), () => rows);
}

/** A text of rows: its bytes go behind those that are written already. */
interface RowText {
  /** Before the first row. */
  head(to: ByteWriter, options: FormatOptions): void;
  body(to: ByteWriter, cells: Cells, options: FormatOptions, first: boolean): void;
  tail(to: ByteWriter, empty: boolean): void;
}

/** A format whose pages are texts that follow each other: any of them can be made alone. */
export function textFormat({ head, body, tail }: RowText): FileFormat["encode"] {
  async function* encode(
    pages: AsyncIterable<RowPage>,
    options: FormatOptions,
    from: ResumePoint,
  ): AsyncGenerator<FileChunk> {
    const to = new ByteWriter();
    let here = from;
    for await (const { cells, after } of pages) {
      const start = here;
      const first = start.rows === 0;
      to.clear();
      if (first) head(to, options);
      body(to, cells, options, first);
      here = { after, rows: start.rows + cells.rows, state: null };
      yield { bytes: to.written, rows: here.rows, from: () => start };
    }
    const last = here;
    to.clear();
    if (last.rows === 0) head(to, options);
    tail(to, last.rows === 0);
    if (to.size > 0) yield { bytes: to.written, rows: last.rows, from: () => last };
  }
  return (pages, options, from) =>
    options.gzip ? gzipped(encode(pages, options, FILE_START)) : encode(pages, options, from);
}
