import type { MeasureValues } from "../result/rows.ts";

/** The part of a question that groups it by the local hours of the week. */
export const BY_HOUR_OF_WEEK = { group_by: ["day_of_week", "hour_of_day"], limit: 7 * 24 };

interface Cell {
  /** 1 is Monday. */
  day_of_week: number;
  hour_of_day: number;
}

/**
 * Rows of such a question as cells, Monday's first hour first, each with what `of` makes of its
 * values. Hours without a row have no cell.
 */
export function cellsOf<T extends object>(
  rows: readonly { group?: Record<string, unknown>; values: MeasureValues }[],
  of: (values: MeasureValues) => T,
): (Cell & T)[] {
  return rows
    .map(({ group, values }) => ({
      day_of_week: Number(group?.day_of_week),
      hour_of_day: Number(group?.hour_of_day),
      ...of(values),
    }))
    .sort((a, b) => a.day_of_week - b.day_of_week || a.hour_of_day - b.hour_of_day);
}
