import { Temporal } from "temporal-polyfill";
import { checkWork } from "../lib/budget.ts";
import { impossible } from "../lib/errors.ts";
import { DAY_US, type EpochUs, formatInstant, HOUR_US, MINUTE_US } from "../lib/time.ts";

export const TIMEFRAMES = {
  "1h": HOUR_US,
  "6h": 6 * HOUR_US,
  "24h": DAY_US,
  "7d": 7 * DAY_US,
  "30d": 30 * DAY_US,
  "90d": 90 * DAY_US,
  "1y": 365 * DAY_US,
} as const;
export type Timeframe = keyof typeof TIMEFRAMES;

export const GRANULARITIES = ["minute", "hour", "day", "week", "month"] as const;
export type Granularity = (typeof GRANULARITIES)[number];

/** Half-open [from, to). */
export interface TimeRange {
  from: EpochUs;
  to: EpochUs;
}

/** A piece of the range that one local hour (or day …) covers. */
export interface Bucket extends TimeRange {
  /** Local start of the whole bucket with its offset, e.g. `2026-03-01T00:00:00+05:30`; it may lie before `from`. */
  label: string;
}

const instantOf = (us: EpochUs) => Temporal.Instant.fromEpochNanoseconds(BigInt(us) * 1000n);
const usOf = (time: { epochNanoseconds: bigint }): EpochUs => Number(time.epochNanoseconds / 1000n);

/** A moment in a zone: `2026-03-01T00:00:00+05:30`, with a fraction only where there is one. */
export function formatLocal(us: EpochUs, timezone: string): string {
  return instantOf(us)
    .toZonedDateTimeISO(timezone)
    .toString({
      timeZoneName: "never",
      smallestUnit: us % 1_000_000 === 0 ? "second" : "microsecond",
    });
}

/**
 * The range to compare with: the one just before, or the same one a calendar year earlier in the zone. A range of whole local
 * months (or days) is preceded by as many months (or days), whatever a clock change makes of their length.
 */
export function comparedRange(
  range: TimeRange,
  compare: "previous_period" | "previous_year",
  timezone: string,
): TimeRange {
  const [from, to] = [range.from, range.to].map((us) =>
    instantOf(us).toZonedDateTimeISO(timezone),
  ) as [Temporal.ZonedDateTime, Temporal.ZonedDateTime];
  if (compare === "previous_year") {
    const start = from.subtract({ years: 1 });
    const compared = {
      from: usOf(start),
      to: usOf(start.add(from.until(to, { largestUnit: "years" }))),
    };
    if (compared.to > range.from)
      throw impossible(
        "compare",
        "ranges_overlap",
        "A range longer than a year overlaps the one a year earlier.",
      );
    return compared;
  }
  const length = from.until(to, { largestUnit: "months" });
  const midnight = from.equals(from.startOfDay()) && to.equals(to.startOfDay());
  if (midnight && from.day === 1 && to.day === 1)
    return {
      from: usOf(from.subtract({ months: length.months + 12 * length.years })),
      to: range.from,
    };
  if (midnight)
    return {
      from: usOf(from.subtract({ days: from.until(to, { largestUnit: "days" }).days })),
      to: range.from,
    };
  return { from: range.from - (range.to - range.from), to: range.from };
}

interface Edge {
  at: EpochUs;
  label: string;
}

/**
 * Starts of hours or minutes. Inside a stretch of one offset they are where local time is a multiple; a clock change starts a
 * new bucket, so that the repeated half hour of Lord Howe is not mixed with the first.
 */
function clockEdges(range: TimeRange, stepUs: number, timezone: string): Edge[] {
  const edges: Edge[] = [];
  let zoned = instantOf(range.from).toZonedDateTimeISO(timezone);
  let stretch = range.from;
  while (stretch < range.to) {
    const next = zoned.getTimeZoneTransition("next");
    const end = next ? Math.min(usOf(next), range.to) : range.to;
    const offsetUs = zoned.offsetNanoseconds / 1000;
    const first = Math.floor((stretch + offsetUs) / stepUs) * stepUs - offsetUs;
    const suffix = zoned.offset;
    for (let at = first; at < end; at += stepUs) {
      const label = formatInstant(at + offsetUs).slice(0, 19) + suffix;
      // At a change in the middle of a local hour the bucket starts at the change.
      edges.push(
        at < stretch && stretch > range.from
          ? { at: stretch, label: formatLocal(stretch, timezone) }
          : { at, label },
      );
    }
    stretch = end;
    if (next) zoned = next;
  }
  return edges;
}

/** Starts of local days, ISO weeks (Monday) or months; a day is as long as the zone makes it (23, 24 or 25 hours). */
function calendarEdges(
  range: TimeRange,
  granularity: "day" | "week" | "month",
  timezone: string,
): Edge[] {
  const edges: Edge[] = [];
  const start = instantOf(range.from).toZonedDateTimeISO(timezone);
  let day = start.toPlainDate();
  if (granularity === "week") day = day.subtract({ days: day.dayOfWeek - 1 });
  if (granularity === "month") day = day.with({ day: 1 });
  for (;;) {
    const zoned = day.toZonedDateTime({ timeZone: timezone });
    const at = usOf(zoned);
    if (at >= range.to) return edges;
    edges.push({ at, label: zoned.toString({ timeZoneName: "never", smallestUnit: "second" }) });
    day = day.add({ [`${granularity}s`]: 1 });
  }
}

/** Lengths of buckets; a month and a week of the calendar on average. */
const SPANS = {
  minute: MINUTE_US,
  hour: HOUR_US,
  day: DAY_US,
  week: 7 * DAY_US,
  month: (365.2425 / 12) * DAY_US,
} as const;

/**
 * How many buckets a range has, by arithmetic alone: what it costs does not grow with the range. Off by one or two where the zone
 * cuts buckets at its clock changes.
 */
export const countBuckets = ({ from, to }: TimeRange, granularity: Granularity): number =>
  Math.ceil((to - from) / SPANS[granularity]);

/**
 * Cuts a range into the local buckets of a zone: they touch, cover the range exactly, and none is empty in time.
 * @throws AppError impossible for more buckets than the budget has, before any is made
 */
export function bucketsOf(
  range: TimeRange,
  granularity: Granularity,
  timezone: string,
  budget: "buckets" | "slots" = "buckets",
): Bucket[] {
  checkWork(budget, countBuckets(range, granularity), "granularity");
  const edges =
    granularity === "minute" || granularity === "hour"
      ? clockEdges(range, SPANS[granularity], timezone)
      : calendarEdges(range, granularity, timezone);
  // A day that a zone skipped altogether (Samoa, 2011-12-30) has no length, and no bucket.
  return edges.flatMap(({ at, label }, index) => {
    const piece = {
      from: Math.max(at, range.from),
      to: Math.min(edges[index + 1]?.at ?? range.to, range.to),
      label,
    };
    return piece.to > piece.from ? [piece] : [];
  });
}

/** Local hour (0-23) and ISO day of the week (1 = Monday) of a bucket, from its label. */
export function clockOf(label: string): { hourOfDay: number; dayOfWeek: number } {
  const date = new Date(`${label.slice(0, 10)}T00:00:00Z`);
  return { hourOfDay: Number(label.slice(11, 13)), dayOfWeek: date.getUTCDay() || 7 };
}

/**
 * The local days, weeks or months that a range touches, each of them whole, and `lead` more before them.
 * @throws AppError impossible for more buckets than the budget has
 */
export function wholeBuckets(
  range: TimeRange,
  granularity: "day" | "week" | "month",
  timezone: string,
  lead = 0,
): Bucket[] {
  const startOf = (us: EpochUs) => {
    const day = instantOf(us).toZonedDateTimeISO(timezone).toPlainDate();
    if (granularity === "week") return day.subtract({ days: day.dayOfWeek - 1 });
    return granularity === "month" ? day.with({ day: 1 }) : day;
  };
  const at = (day: Temporal.PlainDate) => usOf(day.toZonedDateTime({ timeZone: timezone }));
  const unit = `${granularity}s`;
  const last = startOf(range.to - 1);
  return bucketsOf(
    { from: at(startOf(range.from).subtract({ [unit]: lead })), to: at(last.add({ [unit]: 1 })) },
    granularity,
    timezone,
  );
}

export const rangeOfBuckets = (buckets: readonly Bucket[]): TimeRange => ({
  from: buckets[0]?.from ?? 0,
  to: buckets.at(-1)?.to ?? 0,
});

/** Whether a bucket is as long as its zone makes it, and not cut by the range it was made from. */
export function isWhole(
  { from, to, label }: Bucket,
  granularity: Granularity,
  timezone: string,
): boolean {
  // Seen from a microsecond before and after, the neighbours begin where it ends.
  const around = bucketsOf({ from: from - 1, to: to + 1 }, granularity, timezone);
  return around.length === 3 && around[1]?.label === label;
}
