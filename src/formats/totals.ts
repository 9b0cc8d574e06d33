import { fromMicros, toMicros } from "../lib/decimal.ts";
import type { FileColumn, FileRow } from "./columns.ts";

/** Sums of columns, exact: millionths. Kept as texts, so that they travel as JSON. */
export type FileTotals = Record<string, string>;

const MICROS = 1_000_000n;

export const zeroTotals = (columns: readonly FileColumn[]): FileTotals =>
  Object.fromEntries(columns.map(({ name }) => [name, "0"]));

/** Totals with these rows added; absent values add nothing. */
export function addTotals(totals: FileTotals, rows: readonly FileRow[]): FileTotals {
  return Object.fromEntries(
    Object.entries(totals).map(([name, total]) => {
      let sum = BigInt(total);
      for (const row of rows)
        if (row[name] !== null && row[name] !== undefined) sum += toMicros(String(row[name]));
      return [name, String(sum)];
    }),
  );
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
