import { checkWork } from "../../lib/budget.ts";
import { unprocessable } from "../../lib/errors.ts";
import { DAY_US, HOUR_US } from "../../lib/time.ts";
import type { ClockDimension, Filter } from "../catalog/dimensions.ts";
import type { TimeSlot } from "../plan/plan-types.ts";
import { type Bucket, countBuckets, rangeOfBuckets } from "./range.ts";
import { clockOf, clockPieces } from "./zones.ts";

/** @throws AppError unprocessable for an operator that does not fit an hour or a day */
function matches(filter: Filter, value: number): boolean {
  const operands = [filter.value].flat().map(Number);
  const [first = Number.NaN] = operands;
  switch (filter.op) {
    case "eq":
    case "in":
      return operands.includes(value);
    case "ne":
    case "not_in":
      return !operands.includes(value);
    case "gt":
      return value > first;
    case "gte":
      return value >= first;
    case "lt":
      return value < first;
    case "lte":
      return value <= first;
    default:
      throw unprocessable(
        "filters",
        "not_applicable",
        `${filter.op} does not fit ${filter.field}.`,
      );
  }
}

const UNITS = { hour_of_day: "hour", day_of_week: "day" } as const;
const STEPS = { hour: HOUR_US, day: DAY_US };

/** The clock dimension of a question, if it has one, and its filters. */
interface Clock {
  name: ClockDimension | undefined;
  filters: readonly Filter[];
}

/** @param buckets that touch each other */
function slotsOf(
  buckets: readonly Bucket[],
  period: 0 | 1,
  { name, filters }: Clock,
  timezone: string,
): TimeSlot[] {
  const first = buckets[0];
  const last = buckets.at(-1);
  if (!first || !last) return [];
  if (!name)
    return buckets.map(({ from, to }, bucket): TimeSlot => {
      return { from, to, bucket, period, hourOfDay: 0, dayOfWeek: 0 };
    });
  const slots: TimeSlot[] = [];
  let bucket = 0;
  const range = { from: first.from, to: last.to };
  for (const piece of clockPieces(range, STEPS[UNITS[name]], timezone)) {
    const clock = clockOf(piece.localUs);
    const wanted = filters.every((filter) =>
      matches(filter, filter.field === "hour_of_day" ? clock.hourOfDay : clock.dayOfWeek),
    );
    for (let from = piece.from; wanted && from < piece.to; ) {
      while ((buckets[bucket]?.to ?? piece.to) <= from) bucket++;
      const to = Math.min(piece.to, buckets[bucket]?.to ?? piece.to);
      slots.push({ from, to, bucket, period, ...clock });
      from = to;
    }
  }
  return slots;
}

/**
 * One slot for each bucket, the compared ones first. Where a dimension of time is asked for, the
 * local hours (or days) inside of it that fit the filters; each has one local hour and one weekday
 * of the clock, also where the clock goes back over midnight and a day's bucket has two dates.
 * @throws AppError unprocessable for more hours or days than the budget has, before any is made
 */
export function slotsOfPeriods(
  { buckets, comparedBuckets }: Record<"buckets" | "comparedBuckets", readonly Bucket[]>,
  clock: Clock,
  timezone: string,
): TimeSlot[] {
  const { name } = clock;
  const units = (of: readonly Bucket[]) =>
    name ? countBuckets(rangeOfBuckets(of), UNITS[name]) : 0;
  checkWork("slots", units(buckets) + units(comparedBuckets), "group_by");
  return [...slotsOf(comparedBuckets, 1, clock, timezone), ...slotsOf(buckets, 0, clock, timezone)];
}
