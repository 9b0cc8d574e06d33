import { unprocessable } from "../../lib/errors.ts";
import type { EpochUs } from "../../lib/time.ts";
import {
  CLOCK_DIMENSIONS,
  type Dimension,
  fieldOf,
  filterPredicate,
} from "../catalog/dimensions.ts";
import { measureOf } from "../catalog/measures.ts";
import { checkedTimezone, type Query, rangeOfQuery } from "../query.ts";
import { basesOf } from "../sql/aggregates.ts";
import { type ComparedRange, comparedRange } from "../time/compared-range.ts";
import { type Bucket, bucketsOf, completeOf } from "../time/range.ts";
import { slotsOfPeriods } from "../time/slots.ts";
import type { TimeRange } from "../time/time-range.ts";
import { checkSize, possibleGroups } from "./answer-size.ts";
import { checkOperand, groupColumnOf } from "./fields.ts";
import { orderColumns, orderOf, partsOf } from "./order-columns.ts";
import type { QueryPlan } from "./plan-types.ts";
import { chooseRollups } from "./rollup-choice.ts";
import { splitByGrain } from "./split.ts";

export const DEFAULT_GROUPS = 100;
const EARLIEST = Date.UTC(1900, 0, 1) * 1000;

/** A question with its range fixed and its names resolved. */
export interface PlannedQuery {
  plan: QueryPlan;
  range: TimeRange;
  compared: ComparedRange | undefined;
  buckets: Bucket[];
  /** Of each bucket: whether it is over and not cut by the range. */
  complete: boolean[];
  comparedBuckets: Bucket[];
  /** The moment of asking. */
  now: EpochUs;
  /** So many buckets, from the first on, have one of the compared range each; 0 where only totals can be compared. */
  paired: number;
}

/** The buckets of the range and of what it is compared with, and which of them say something already. */
function periodsOf(query: Query, range: TimeRange, now: EpochUs) {
  const { compare, granularity, timezone } = query;
  const compared = compare && comparedRange(range, compare, timezone, now);
  if (compared && compared.from < EARLIEST)
    throw unprocessable("compare", "too_early", "The compared range must not begin before 1900.");
  const cut = (of: TimeRange): Bucket[] =>
    of.from === of.to
      ? []
      : granularity
        ? bucketsOf(of, granularity, timezone)
        : [{ ...of, label: "" }];
  const buckets = cut(range);
  const comparedBuckets = compared ? cut(compared) : [];
  const begun = compared?.elapsed
    ? buckets.filter((bucket) => bucket.from < now).length
    : buckets.length;
  return {
    compared,
    buckets,
    comparedBuckets,
    now,
    complete: granularity ? completeOf(buckets, granularity, timezone, now) : [],
    paired: comparedBuckets.length === begun ? begun : 0,
  };
}

/**
 * Fixes the range, cuts it, and resolves every name against the catalogue.
 * @param now the moment of asking: a timeframe ends at it, and what ends later is not over
 * @throws AppError unprocessable for what cannot be asked
 */
export function planQuery(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): PlannedQuery {
  checkedTimezone(query.timezone);
  const range = rangeOfQuery(query, now);
  const periods = periodsOf(query, range, now);
  const { buckets, comparedBuckets } = periods;

  const fields = (query.group_by ?? []).map((name) => ({ name, field: fieldOf(name, "group_by") }));
  const filters = (query.filters ?? []).map((filter, index) => ({
    filter,
    field: fieldOf(filter.field, `filters.${index}.field`),
    path: `filters.${index}.value`,
  }));
  for (const { filter, field, path } of filters) checkOperand(filter, field, path);
  const used = [...fields, ...filters].map(({ field }) => field);
  if (fields.length === 0 && (query.order_by || query.limit !== undefined)) {
    throw unprocessable(
      query.order_by ? "order_by" : "limit",
      "groups_missing",
      "order_by and limit choose among groups; give group_by.",
    );
  }
  const clocks = used.flatMap((field) => (field.kind === "clock" ? [field.name] : []));
  const clock = CLOCK_DIMENSIONS.find((name) => clocks.includes(name));
  const clockFilters = filters.filter(({ field }) => field.kind === "clock");
  const slots = slotsOfPeriods(
    periods,
    { name: clock, filters: clockFilters.map(({ filter }) => filter) },
    query.timezone,
  );
  checkSize(
    buckets.length + comparedBuckets.length,
    possibleGroups(fields, query.filters ?? [], slots),
    fields.length > 0 ? (query.limit ?? DEFAULT_GROUPS) : Number.POSITIVE_INFINITY,
    query.measures.length,
  );

  if (query.rowsOnly && fields.length === 0 && !query.granularity)
    throw new Error("A question of rows only has buckets or groups");
  const rawOnly = used.some((field) => field.kind === "number" || field.kind === "metadata");
  const dimensions = used.flatMap((field): Dimension[] =>
    field.kind === "dimension" ? [field.name] : [],
  );
  const measures = [
    ...new Set([...query.measures, ...(query.order_by ?? []).map((order) => order.measure)]),
  ].map(measureOf);
  const quantiles = [...new Set(measures.flatMap((measure) => measure.quantile ?? []))].sort(
    (a, b) => a - b,
  );
  const parts = { ...partsOf(measures, quantiles), sketches: query.sketches ?? false };
  const source = chooseRollups(
    rawOnly ? undefined : dimensions,
    parts.sums.length === 0 && basesOf(parts).length === 0,
  );
  const plan: QueryPlan = {
    workspaceId,
    slots,
    source,
    pieces: splitByGrain(slots, source),
    groups: fields.map(({ name, field }) => groupColumnOf(name, field)),
    explain,
    byStatus: dimensions.includes("status"),
    hasRows: query.granularity !== undefined || fields.length > 0,
    filters: filters
      .filter(({ field }) => field.kind !== "clock")
      .map(
        ({ filter, field }) =>
          (alias, rollup) =>
            filterPredicate(filter, field, alias, rollup),
      ),
    ...parts,
    withTotals: !query.rowsOnly,
    top:
      fields.length > 0
        ? {
            by: orderColumns(query, quantiles),
            parts: partsOf(
              orderOf(query).map((order) => measureOf(order.measure)),
              quantiles,
            ),
            limit: query.limit ?? DEFAULT_GROUPS,
            after: query.after,
            count: query.count ?? false,
          }
        : undefined,
  };
  return { plan, range, ...periods };
}
