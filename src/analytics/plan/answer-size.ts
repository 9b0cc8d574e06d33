import { checkWork, WORK_BUDGETS } from "../../lib/budget.ts";
import type { Field, Filter } from "../catalog/dimensions.ts";
import type { TimeSlot } from "./plan-types.ts";

const STATUSES = 5;

export interface GroupedField {
  name: string;
  field: Field;
}

/**
 * The number of groups that can exist: statuses and hours are few, and a filter may leave a list of values or
 * a single one.
 */
export function possibleGroups(
  fields: readonly GroupedField[],
  filters: readonly Filter[],
  slots: readonly TimeSlot[],
): number {
  const clocks = fields.filter(({ field }) => field.kind === "clock").map(({ name }) => name);
  const clockGroups = new Set(
    clocks.length === 0
      ? [""]
      : slots
          .filter(({ period }) => period === 0)
          .map(({ hourOfDay, dayOfWeek }) =>
            clocks.map((name) => (name === "hour_of_day" ? hourOfDay : dayOfWeek)).join(),
          ),
  ).size;
  return fields.reduce((product, { name, field }) => {
    if (field.kind === "clock") return product;
    const named = filters.flatMap(({ field: of, op, value }) =>
      of === name && (op === "eq" || op === "in") ? [new Set([value].flat()).size] : [],
    );
    const most = name === "status" ? STATUSES : Number.POSITIVE_INFINITY;
    return product * Math.min(most, ...named);
  }, clockGroups);
}

/**
 * @param buckets of the asked and of the compared range
 * @param groups how many groups can exist
 * @param limit how many keep a row of their own; the rest of them has one together. Infinity for a
 * question without groups
 * @throws AppError unprocessable for an answer that is too large, with what it would have had and
 * the limit that fits
 */
export function checkSize(buckets: number, groups: number, limit: number, measures: number): void {
  const rowsOf = (own: number) => buckets * (groups > own ? own + 1 : groups);
  const rows = rowsOf(limit);
  const most = Math.min(WORK_BUDGETS.rows.limit, Math.floor(WORK_BUDGETS.values.limit / measures));
  const fitting = Math.floor(most / buckets) - 1;
  const advice =
    fitting < 1 || limit === Number.POSITIVE_INFINITY
      ? "Ask for a shorter range, a coarser granularity or fewer measures."
      : `A limit of ${fitting} fits.`;
  checkWork("rows", rows, "limit", advice);
  checkWork("values", rows * measures, "limit", advice);
}
