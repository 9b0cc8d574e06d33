import { Temporal } from "temporal-polyfill";
import { DAY_US, type EpochUs } from "./time.ts";
import { offsetAt, stretchesOf } from "./zone-offsets.ts";

/** The reading of a clock: a date, and the microseconds of its day. */
export interface LocalTime {
  date: Temporal.PlainDate;
  timeUs: number;
}

/** A moment as the clocks of a zone show it. @throws RangeError for a name that is no zone's */
export function localTimeOf(us: EpochUs, timezone: string): LocalTime {
  const localUs = us + offsetAt(us, timezone);
  const startUs = Math.floor(localUs / DAY_US) * DAY_US;
  const day = new Date(startUs / 1000);
  const date = new Temporal.PlainDate(
    day.getUTCFullYear(),
    day.getUTCMonth() + 1,
    day.getUTCDate(),
  );
  return { date, timeUs: localUs - startUs };
}

/**
 * The moment of a local time; of one that comes twice, the first.
 * @param leftOut what stands for a time that the zone leaves out: as much `later` as the change is
 * long, or the `change` itself
 * @throws RangeError for a name that is no zone's
 */
export function momentOf(
  { date, timeUs }: LocalTime,
  timezone: string,
  leftOut: "later" | "change" = "later",
): EpochUs {
  const localUs = Date.UTC(date.year, date.month - 1, date.day) * 1000 + timeUs;
  let before = 0;
  // No offset is as long as a day.
  const around = { from: localUs - DAY_US, to: localUs + DAY_US };
  for (const { from, to, offsetUs } of stretchesOf(around, timezone)) {
    const us = localUs - offsetUs;
    if (us < from) return leftOut === "later" ? localUs - before : from;
    if (us < to) return us;
    before = offsetUs;
  }
  throw new RangeError(`Not a local time: ${date.toString()}`);
}
