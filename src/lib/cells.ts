/**
 * Values of rows as PostgreSQL writes them, all in one array of bytes: no row and no value is an
 * object of its own.
 */
export interface Cells {
  bytes: Uint8Array;
  /** Begin and end of each value in `bytes`, row by row; -1 for a value that is absent. */
  bounds: Int32Array;
  /** Values of a row. */
  width: number;
  rows: number;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The text between two places. */
export const textBetween = (bytes: Uint8Array, begin: number, end: number): string =>
  decoder.decode(bytes.subarray(begin, end));

/** A value of a row as a text; null if it is absent. */
export function storedText({ bytes, bounds, width }: Cells, row: number, column: number) {
  const at = 2 * (row * width + column);
  const begin = bounds[at] ?? -1;
  return begin < 0 ? null : textBetween(bytes, begin, bounds[at + 1] ?? begin);
}

/** Some of the rows, over the same bytes. */
export function someCells(cells: Cells, from: number, to: number): Cells {
  const { bytes, bounds, width } = cells;
  return {
    bytes,
    bounds: bounds.subarray(2 * from * width, 2 * to * width),
    width,
    rows: to - from,
  };
}

function writtenCell(value: unknown): string {
  if (typeof value === "boolean") return value ? "t" : "f";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Rows that have been computed, each a list of values. */
export function cellsOfRows(rows: readonly (readonly unknown[])[], width: number): Cells {
  const bounds = new Int32Array(2 * width * rows.length);
  const texts: string[] = [];
  let [at, size] = [0, 0];
  for (const row of rows)
    for (let column = 0; column < width; column++) {
      const value = row[column] ?? null;
      const text = value === null ? "" : writtenCell(value);
      texts.push(text);
      bounds[at++] = value === null ? -1 : size;
      size += encoder.encode(text).length;
      bounds[at++] = value === null ? -1 : size;
    }
  return { bytes: encoder.encode(texts.join("")), bounds, width, rows: rows.length };
}
