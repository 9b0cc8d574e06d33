import { fromMicros, toMicros } from "../lib/decimal.ts";
import type { Column, Row } from "./columns.ts";

/** Sums of columns, exact: millionths. Kept as texts, so that they travel as JSON. */
export type Totals = Record<string, string>;

const MICROS = 1_000_000n;

export const noTotals = (columns: readonly Column[]): Totals =>
  Object.fromEntries(columns.map(({ name }) => [name, "0"]));

/** Totals with these rows added; absent values add nothing. */
export function plus(totals: Totals, rows: readonly Row[]): Totals {
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
export function written(
  totals: Totals,
  columns: readonly Column[],
): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, total]) => {
      const value = BigInt(total);
      const isDecimal = columns.find((column) => column.name === name)?.kind === "decimal";
      return [name, isDecimal ? fromMicros(value) : Number(value / MICROS)];
    }),
  );
}
