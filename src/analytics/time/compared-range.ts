import { unprocessable } from "../../lib/errors.ts";
import { localTimeOf, momentOf } from "../../lib/local-time.ts";
import type { EpochUs } from "../../lib/time.ts";
import type { TimeRange } from "./time-range.ts";
import { dateOf, skippedDates, startOfDate } from "./zones.ts";

export type ComparedPeriod = "previous_period" | "previous_year";

/** The range that another one is compared with. */
export interface ComparedRange extends TimeRange {
  /** The asked range has not ended: this is the same part of the period before, not all of it. */
  elapsed: boolean;
}

/** A period, and whether it goes by the calendar: its days are then those of the asked range. */
interface Period extends TimeRange {
  calendar: boolean;
}

/** Whether a range is of whole local days. */
const isOfDays = ({ from, to }: TimeRange, timezone: string) =>
  [from, to].every((us) => startOfDate(dateOf(us, timezone), timezone) === us);

/** From a moment to a later one: years and days of the calendar, and then the time that is left. */
function passedBetween(from: EpochUs, to: EpochUs, timezone: string) {
  const start = localTimeOf(from, timezone);
  const end = localTimeOf(to, timezone);
  const none = start.date.until(start.date);
  if (end.date.equals(start.date)) return { days: none, restUs: to - from };
  let date = end.timeUs < start.timeUs ? end.date.subtract({ days: 1 }) : end.date;
  for (;;) {
    const restUs = to - momentOf({ date, timeUs: start.timeUs }, timezone);
    if (restUs >= 0) return { days: start.date.until(date, { largestUnit: "years" }), restUs };
    date = date.subtract({ days: 1 });
  }
}

/** A calendar year earlier in the zone. */
function yearBefore(range: TimeRange, timezone: string): Period {
  const first = localTimeOf(range.from, timezone);
  const from = momentOf({ ...first, date: first.date.subtract({ years: 1 }) }, timezone);
  const { days, restUs } = passedBetween(range.from, range.to, timezone);
  // A local time that the zone skips has been shifted.
  const start = localTimeOf(from, timezone);
  const last = days.blank ? from : momentOf({ ...start, date: start.date.add(days) }, timezone);
  if (last + restUs > range.from)
    throw unprocessable(
      "compare",
      "ranges_overlap",
      "A range longer than a year overlaps the one a year earlier.",
    );
  return { from, to: last + restUs, calendar: true };
}

/** As many existing days before a local midnight. */
function daysBefore(range: TimeRange, timezone: string): EpochUs {
  const first = dateOf(range.from, timezone);
  const end = dateOf(range.to, timezone);
  const days = first.until(end).days - skippedDates(range, timezone);
  const start = (back: number) => startOfDate(first.subtract({ days: back }), timezone);
  // Days that the zone skipped do not count.
  for (let back = days; ; ) {
    const skipped = skippedDates({ from: start(back) - 1, to: range.from }, timezone);
    if (back - skipped >= days) return start(back);
    back = days + skipped;
  }
}

function periodBefore(range: TimeRange, timezone: string): Period {
  if (!isOfDays(range, timezone))
    return { from: range.from - (range.to - range.from), to: range.from, calendar: false };
  const first = dateOf(range.from, timezone);
  const end = dateOf(range.to, timezone);
  if (first.day === 1 && end.day === 1) {
    const { years, months } = first.until(end, { largestUnit: "months" });
    const before = first.subtract({ months: months + 12 * years });
    return { from: startOfDate(before, timezone), to: range.from, calendar: true };
  }
  return { from: daysBefore(range, timezone), to: range.from, calendar: true };
}

/**
 * The moment that is as many local days (or years and days) and the same time of day behind a start
 * as `now` behind another.
 */
function sameTime(
  start: EpochUs,
  of: EpochUs,
  now: EpochUs,
  largestUnit: "days" | "years",
  timezone: string,
): EpochUs {
  const { date, timeUs } = localTimeOf(now, timezone);
  const passed = dateOf(of, timezone).until(date, { largestUnit });
  return momentOf({ date: dateOf(start, timezone).add(passed), timeUs }, timezone);
}

/**
 * The part of a period that has passed of the asked range: all of it if the range has ended. Of
 * whole local days it is the part up to the same time of day of the same day, counted from the
 * start; a period that was shorter (a month) is taken whole. Of any other range it is the part of
 * the same duration.
 */
export function elapsedPart(
  { from, to, calendar }: Period,
  asked: TimeRange,
  now: EpochUs,
  timezone: string,
  largestUnit: "days" | "years" = "days",
): ComparedRange {
  if (asked.to <= now) return { from, to, elapsed: false };
  const at = Math.max(now, asked.from);
  const end = calendar
    ? sameTime(from, asked.from, at, largestUnit, timezone)
    : from + (at - asked.from);
  return { from, to: Math.max(from, Math.min(end, to)), elapsed: true };
}

/** Two given periods: one that has not ended is compared with the same part of the other. */
export function comparablePeriods(
  a: TimeRange,
  b: TimeRange,
  now: EpochUs,
  timezone: string,
): [ComparedRange, ComparedRange] {
  const calendar = isOfDays(a, timezone) && isOfDays(b, timezone);
  const whole = (range: TimeRange) => ({ ...range, elapsed: false });
  if (a.to > now === b.to > now) return [whole(a), whole(b)];
  return a.to > now
    ? [whole(a), elapsedPart({ ...b, calendar }, a, now, timezone)]
    : [elapsedPart({ ...a, calendar }, b, now, timezone), whole(b)];
}

/**
 * The range to compare with: the one just before, or the same one a calendar year earlier in the
 * zone. A range of whole local months (or days) is preceded by as many months (or days), whatever a
 * clock change makes of their length. A range that is not over at `now` is compared with the same
 * part of that period (`elapsedPart`); a year earlier, up to the same date.
 * @throws AppError unprocessable for a range that overlaps the one a year earlier
 */
export function comparedRange(
  range: TimeRange,
  compare: ComparedPeriod,
  timezone: string,
  now: EpochUs,
): ComparedRange {
  if (compare === "previous_year")
    return elapsedPart(yearBefore(range, timezone), range, now, timezone, "years");
  return elapsedPart(periodBefore(range, timezone), range, now, timezone);
}
