import { type Column, DECIMAL_SCALE, type Row } from "./columns.ts";

/** Sums of columns, exact: whole numbers of a decimal's last place. Kept as texts, so that they travel as JSON. */
export type Totals = Record<string, string>;

const UNIT = 10n ** BigInt(DECIMAL_SCALE);

function scaled(value: unknown): bigint {
  const [, sign = "", whole = "0", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(String(value)) ?? [];
  return BigInt(`${sign}${whole}${fraction.padEnd(DECIMAL_SCALE, "0").slice(0, DECIMAL_SCALE)}`);
}

export const noTotals = (columns: readonly Column[]): Totals => Object.fromEntries(columns.map(({ name }) => [name, "0"]));

/** Totals with these rows added; absent values add nothing. */
export function plus(totals: Totals, rows: readonly Row[]): Totals {
  return Object.fromEntries(
    Object.entries(totals).map(([name, total]) => {
      let sum = BigInt(total);
      for (const row of rows) if (row[name] !== null && row[name] !== undefined) sum += scaled(row[name]);
      return [name, String(sum)];
    }),
  );
}

/** Totals as the API writes such values: whole numbers, or decimals with six places. */
export function written(totals: Totals, columns: readonly Column[]): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(totals).map(([name, total]) => {
      const value = BigInt(total);
      const [sign, size] = value < 0n ? ["-", -value] : ["", value];
      const text = `${sign}${size / UNIT}.${String(size % UNIT).padStart(DECIMAL_SCALE, "0")}`;
      return [name, columns.find((column) => column.name === name)?.kind === "decimal" ? text : Number(value / UNIT)];
    }),
  );
}
