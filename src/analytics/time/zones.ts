import type { Temporal } from "temporal-polyfill";
import { localTimeOf, momentOf } from "../../lib/local-time.ts";
import {
  DAY_US,
  type EpochUs,
  formatInstant,
  HOUR_US,
  MINUTE_US,
  SECOND_US,
} from "../../lib/time.ts";
import { offsetAt, stretchesOf } from "../../lib/zone-offsets.ts";
import type { TimeRange } from "./time-range.ts";

/** The moment when a local day begins; one that a zone left out begins with the next. */
export const startOfDate = (date: Temporal.PlainDate, timezone: string): EpochUs =>
  momentOf({ date, timeUs: 0 }, timezone, "change");

/**
 * The local day that a moment belongs to: the last that has begun. In St John's, clocks once went from 00:01 back to 23:01: that
 * hour has the date of the day before, and belongs to the day that had begun.
 */
export function dateOf(us: EpochUs, timezone: string): Temporal.PlainDate {
  const { date } = localTimeOf(us, timezone);
  const next = date.add({ days: 1 });
  return startOfDate(next, timezone) <= us ? next : date;
}

/** In UTC where the offset has seconds, which RFC 3339 cannot write (Monrovia, until 1972). */
function writeLocal(us: EpochUs, offsetUs: number): string {
  const minutes = offsetUs / MINUTE_US;
  if (!Number.isInteger(minutes)) return writeLocal(us, 0);
  const two = (part: number) => String(Math.floor(part)).padStart(2, "0");
  const fraction = us - Math.floor(us / SECOND_US) * SECOND_US;
  const digits = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0")}`;
  const size = Math.abs(minutes);
  const offset = `${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
  return formatInstant(us + offsetUs).slice(0, 19) + digits + offset;
}

/**
 * A moment in a zone: `2026-03-01T00:00:00+05:30`, with a fraction only where there is one, and in
 * UTC where the zone's offset has seconds.
 */
export const formatLocal = (us: EpochUs, timezone: string): string =>
  writeLocal(us, offsetAt(us, timezone));

/** The date of a moment in a zone: `2026-03-01`. */
export const localDate = (us: EpochUs, timezone: string): string =>
  formatLocal(us, timezone).slice(0, 10);

/** The change of the clock, after a moment, that gave `until` its offset; the moment itself if there was none. */
function lastChange(after: EpochUs, until: EpochUs, timezone: string): EpochUs {
  const stretches = [...stretchesOf({ from: after, to: until + 1 }, timezone)];
  return stretches.at(-1)?.from ?? after;
}

/** A part of a range inside one local minute, hour or day of one offset. */
export interface ClockPiece extends TimeRange {
  /** Start of the whole local unit; or the change of the clock, where that comes later. */
  began: EpochUs;
  /** Local time of `from`, counted like a moment of UTC. */
  localUs: number;
  offsetUs: number;
}

/**
 * Cuts a range where local time is a multiple of a step, and at every change of the clock: so that the half hour that comes twice
 * at Lord Howe is not mixed, and every piece has one local hour, date and day of the week.
 */
export function* clockPieces(
  range: TimeRange,
  stepUs: number,
  timezone: string,
): Generator<ClockPiece> {
  for (const { from, to, offsetUs } of stretchesOf(range, timezone)) {
    const first = Math.floor((from + offsetUs) / stepUs) * stepUs - offsetUs;
    const change = from === range.from ? lastChange(first, from, timezone) : from;
    for (let at = first; at < to; at += stepUs) {
      const start = Math.max(at, from);
      yield {
        from: start,
        to: Math.min(at + stepUs, to),
        began: Math.max(at, change),
        localUs: start + offsetUs,
        offsetUs,
      };
    }
  }
}

/** `began` of a piece in its zone, as `formatLocal` gives it. */
export const pieceLabel = ({ began, offsetUs }: ClockPiece): string => writeLocal(began, offsetUs);

/** Local hour (0-23) and ISO day of the week (1 = Monday) of a local time. */
export function clockOf(localUs: number): { hourOfDay: number; dayOfWeek: number } {
  const days = Math.floor(localUs / DAY_US);
  // 1970-01-01 was a Thursday.
  const weekday = (((days + 3) % 7) + 7) % 7;
  return { hourOfDay: Math.floor((localUs - days * DAY_US) / HOUR_US), dayOfWeek: weekday + 1 };
}

/** The number of local dates of a range that do not exist: the zone moved over the date line (Samoa, 2011-12-30). */
export function skippedDates(range: TimeRange, timezone: string): number {
  let [skipped, before] = [0, undefined as number | undefined];
  for (const { offsetUs } of stretchesOf(range, timezone)) {
    if (before !== undefined && offsetUs - before >= DAY_US) skipped++;
    before = offsetUs;
  }
  return skipped;
}
