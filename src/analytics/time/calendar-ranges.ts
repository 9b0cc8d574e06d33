import type { Temporal } from "temporal-polyfill";
import type { EpochUs } from "../../lib/time.ts";
import type { TimeRange } from "./time-range.ts";
import { dateOf, startOfDate } from "./zones.ts";

/** Whole local calendar units; a week begins on Monday (ISO 8601). */
export const NAMED_RANGES = [
  ...(["last_full_day", "last_full_week", "last_full_month", "last_full_quarter"] as const),
  ...(["this_day", "this_week", "this_month", "this_quarter"] as const),
] as const;
export type NamedRange = (typeof NAMED_RANGES)[number];

const LENGTHS = {
  day: { days: 1 },
  week: { days: 7 },
  month: { months: 1 },
  quarter: { months: 3 },
} as const;

function startOf(unit: keyof typeof LENGTHS, date: Temporal.PlainDate): Temporal.PlainDate {
  if (unit === "day") return date;
  if (unit === "week") return date.subtract({ days: date.dayOfWeek - 1 });
  if (unit === "month") return date.with({ day: 1 });
  return date.with({ month: date.month - ((date.month - 1) % 3), day: 1 });
}

/**
 * The range that a name means at a moment: `last_full_…` has ended, `this_…` ends with the unit it
 * lies in.
 */
export function namedRange(name: NamedRange, now: EpochUs, timezone: string): TimeRange {
  const [, whole, unit] = /^(last_full|this)_(day|week|month|quarter)$/.exec(name) as unknown as [
    string,
    string,
    keyof typeof LENGTHS,
  ];
  const start = startOf(unit, dateOf(now, timezone));
  const begun = startOfDate(start, timezone);
  if (whole === "this") return { from: begun, to: startOfDate(start.add(LENGTHS[unit]), timezone) };
  // The unit of the moment before: a day that the zone skipped was none.
  const first = startOf(unit, dateOf(begun - 1, timezone));
  return { from: startOfDate(first, timezone), to: begun };
}
