import { Temporal } from "temporal-polyfill";
import {
  DAY_US,
  type EpochUs,
  formatInstant,
  HOUR_US,
  MINUTE_US,
  SECOND_US,
} from "../../lib/time.ts";
import type { TimeRange } from "./time-range.ts";

const usOf = (time: { epochNanoseconds: bigint }): EpochUs => Number(time.epochNanoseconds / 1000n);

/** A moment as the clocks of a zone show it. */
export const zonedOf = (us: EpochUs, timezone: string) =>
  Temporal.Instant.fromEpochNanoseconds(BigInt(us) * 1000n).toZonedDateTimeISO(timezone);

/** The moment when a local day begins; one that a zone left out begins with the next. */
export const startOfDate = (date: Temporal.PlainDate, timezone: string): EpochUs =>
  usOf(date.toZonedDateTime(timezone));

/** The moment of a local date and time; one that does not exist is as much later as the change is long. */
export const momentOf = (
  date: Temporal.PlainDate,
  time: Temporal.PlainTime,
  timezone: string,
): EpochUs => usOf(date.toZonedDateTime({ timeZone: timezone, plainTime: time }));

/**
 * The local day that a moment belongs to: the last that has begun. In St John's, clocks once went from 00:01 back to 23:01: that
 * hour has the date of the day before, and belongs to the day that had begun.
 */
export function dateOf(us: EpochUs, timezone: string): Temporal.PlainDate {
  const date = zonedOf(us, timezone).toPlainDate();
  const next = date.add({ days: 1 });
  return startOfDate(next, timezone) <= us ? next : date;
}

const MINUTE_NS = 60_000_000_000;

/**
 * A moment in a zone: `2026-03-01T00:00:00+05:30`, with a fraction only where there is one. In UTC where the zone's offset has
 * seconds, which RFC 3339 cannot write (Monrovia, until 1972).
 */
export function formatLocal(us: EpochUs, timezone: string): string {
  const zoned = zonedOf(us, timezone);
  const exact = zoned.offsetNanoseconds % MINUTE_NS === 0 ? zoned : zoned.withTimeZone("UTC");
  return exact.toString({
    timeZoneName: "never",
    smallestUnit: us % SECOND_US === 0 ? "second" : "microsecond",
  });
}

/** The date of a moment in a zone: `2026-03-01`. */
export const localDate = (us: EpochUs, timezone: string): string =>
  formatLocal(us, timezone).slice(0, 10);

/** A part of a range with one offset from UTC. */
export interface Stretch extends TimeRange {
  offsetUs: number;
}

/** The stretches of a range, in the order of time. */
export function* stretchesOf(range: TimeRange, timezone: string): Generator<Stretch> {
  let zoned = zonedOf(range.from, timezone);
  for (let from = range.from; from < range.to; ) {
    const next = zoned.getTimeZoneTransition("next");
    const to = next ? Math.min(usOf(next), range.to) : range.to;
    yield { from, to, offsetUs: zoned.offsetNanoseconds / 1000 };
    if (next) zoned = next;
    from = to;
  }
}

/** The change of the clock, after a moment, that gave `until` its offset; the moment itself if there was none. */
function lastChange(after: EpochUs, until: EpochUs, offsetUs: number, timezone: string): EpochUs {
  if (zonedOf(after, timezone).offsetNanoseconds === offsetUs * 1000) return after;
  // Just behind a change "previous" is that change.
  const change = zonedOf(until + 1, timezone).getTimeZoneTransition("previous");
  return change ? usOf(change) : after;
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
    const change = from === range.from ? lastChange(first, from, offsetUs, timezone) : from;
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

/** `began` of a piece in its zone: what `formatLocal` gives, without asking the zone again. */
export function pieceLabel({ began, offsetUs }: ClockPiece): string {
  const minutes = offsetUs / MINUTE_US;
  if (!Number.isInteger(minutes)) return `${formatInstant(began).slice(0, 19)}+00:00`;
  const two = (part: number) => String(Math.floor(part)).padStart(2, "0");
  const size = Math.abs(minutes);
  const local = formatInstant(began + offsetUs).slice(0, 19);
  return `${local}${minutes < 0 ? "-" : "+"}${two(size / 60)}:${two(size % 60)}`;
}

/** Local hour (0-23) and ISO day of the week (1 = Monday) of a local time. */
export function clockOf(localUs: number): { hourOfDay: number; dayOfWeek: number } {
  const days = Math.floor(localUs / DAY_US);
  // 1970-01-01 was a Thursday.
  const weekday = (((days + 3) % 7) + 7) % 7;
  return { hourOfDay: Math.floor((localUs - days * DAY_US) / HOUR_US), dayOfWeek: weekday + 1 };
}

/** How many local dates of a range do not exist: the zone moved over the date line (Samoa, 2011-12-30). */
export function skippedDates(range: TimeRange, timezone: string): number {
  let [skipped, before] = [0, undefined as number | undefined];
  for (const { offsetUs } of stretchesOf(range, timezone)) {
    if (before !== undefined && offsetUs - before >= DAY_US) skipped++;
    before = offsetUs;
  }
  return skipped;
}
