import { type Cells, textBetween } from "../lib/cells.ts";
import { fromMicros, toMicros } from "../lib/decimal.ts";
import type { FileColumn } from "./columns.ts";
import { microsBetween } from "./stored-values.ts";

/** Sums of columns, exact: millionths. Kept as texts, so that they travel as JSON. */
export type FileTotals = Record<string, string>;

const MICROS = 1_000_000n;

export const zeroTotals = (columns: readonly FileColumn[]): FileTotals =>
  Object.fromEntries(columns.map(({ name }) => [name, "0"]));

function sumOf({ bytes, bounds, width, rows }: Cells, column: number): bigint {
  let [short, long] = [0, 0n];
  for (let row = 0; row < rows; row++) {
    const at = 2 * (row * width + column);
    const [begin, end] = [bounds[at] ?? -1, bounds[at + 1] ?? -1];
    if (begin < 0) continue;
    const micros = microsBetween(bytes, begin, end);
    if (micros < 0 || short + micros > Number.MAX_SAFE_INTEGER)
      long += toMicros(textBetween(bytes, begin, end));
    else short += micros;
  }
  return long + BigInt(short);
}

/** Totals with these rows added; absent values add nothing. */
export function addTotals(
  totals: FileTotals,
  cells: Cells,
  columns: readonly FileColumn[],
): FileTotals {
  const added = columns.flatMap(({ name }, column) => {
    const total = totals[name];
    return total === undefined ? [] : [[name, String(BigInt(total) + sumOf(cells, column))]];
  });
  return Object.fromEntries(added);
}

/** Totals as the API writes such values: whole numbers, or decimals with six places. */
export function totalsText(
  totals: FileTotals,
  columns: readonly FileColumn[],
): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, total]) => {
      const value = BigInt(total);
      const isDecimal = columns.find((column) => column.name === name)?.kind === "decimal";
      return [name, isDecimal ? fromMicros(value) : Number(value / MICROS)];
    }),
  );
}
