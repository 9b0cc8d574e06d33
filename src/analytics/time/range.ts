import type { Temporal } from "temporal-polyfill";
import { checkWork } from "../../lib/budget.ts";
import { DAY_US, type EpochUs, HOUR_US, MINUTE_US } from "../../lib/time.ts";
import type { TimeRange } from "./time-range.ts";
import { clockPieces, dateOf, formatLocal, pieceLabel, startOfDate } from "./zones.ts";

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

/** A piece of the range that one local hour (or day …) covers. */
export interface Bucket extends TimeRange {
  /**
   * Local start of the whole bucket with its offset, e.g. `2026-03-01T00:00:00+05:30`: a moment
   * that existed. It may lie before `from`.
   */
  label: string;
}

interface Edge {
  at: EpochUs;
  label: string;
}

type Calendar = "day" | "week" | "month";

/** The first local day of the day, week (ISO, Monday) or month that a moment belongs to. */
function firstDate(us: EpochUs, granularity: Calendar, timezone: string): Temporal.PlainDate {
  const date = dateOf(us, timezone);
  if (granularity === "week") return date.subtract({ days: date.dayOfWeek - 1 });
  return granularity === "month" ? date.with({ day: 1 }) : date;
}

/**
 * Starts of local days, each as long as the zone makes it (23, 24 or 25 hours): where clocks first
 * show a later date. One that the zone skipped altogether (Samoa, 2011-12-30) is never shown.
 */
function dayEdges(range: TimeRange, timezone: string): Edge[] {
  const edges: Edge[] = [];
  const from = startOfDate(dateOf(range.from, timezone), timezone);
  let latest = Number.NEGATIVE_INFINITY;
  for (const piece of clockPieces({ from, to: range.to }, DAY_US, timezone)) {
    const date = Math.floor(piece.localUs / DAY_US);
    if (date > latest) edges.push({ at: piece.from, label: pieceLabel(piece) });
    latest = Math.max(latest, date);
  }
  return edges;
}

/** Starts of local weeks or months. */
function calendarEdges(range: TimeRange, granularity: "week" | "month", timezone: string): Edge[] {
  const edges: Edge[] = [];
  let date = firstDate(range.from, granularity, timezone);
  for (;;) {
    const at = startOfDate(date, timezone);
    if (at >= range.to) return edges;
    edges.push({ at, label: formatLocal(at, timezone) });
    date = date.add({ [`${granularity}s`]: 1 });
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
 * The number of buckets in a range, by arithmetic alone: its cost does not grow with the range.
 * Off by one or two where the zone cuts buckets at its clock changes.
 */
export const countBuckets = ({ from, to }: TimeRange, granularity: Granularity): number =>
  Math.ceil((to - from) / SPANS[granularity]);

/**
 * Cuts a range into the local buckets of a zone: they touch, cover the range exactly, and none is
 * empty in time.
 * @throws AppError unprocessable for more buckets than the budget has, before any is made
 */
export function bucketsOf(range: TimeRange, granularity: Granularity, timezone: string): Bucket[] {
  checkWork("buckets", countBuckets(range, granularity), "granularity");
  if (granularity === "minute" || granularity === "hour")
    return Array.from(clockPieces(range, SPANS[granularity], timezone), (piece): Bucket => {
      return { from: piece.from, to: piece.to, label: pieceLabel(piece) };
    });
  const edges =
    granularity === "day" ? dayEdges(range, timezone) : calendarEdges(range, granularity, timezone);
  return edges.flatMap(({ at, label }, index) => {
    const piece = {
      from: Math.max(at, range.from),
      to: Math.min(edges[index + 1]?.at ?? range.to, range.to),
      label,
    };
    return piece.to > piece.from ? [piece] : [];
  });
}

/**
 * The local days, weeks or months that a range touches, each of them whole, and `lead` more before
 * them.
 * @throws AppError unprocessable for more buckets than the budget has
 */
export function wholeBuckets(
  range: TimeRange,
  granularity: Calendar,
  timezone: string,
  lead = 0,
): Bucket[] {
  const unit = `${granularity}s`;
  const first = firstDate(range.from, granularity, timezone);
  const last = firstDate(range.to - 1, granularity, timezone).add({ [unit]: 1 });
  const start = startOfDate(first, timezone);
  const to = startOfDate(last, timezone);
  for (let back = lead; ; ) {
    const from = startOfDate(first.subtract({ [unit]: back }), timezone);
    const buckets = bucketsOf({ from, to }, granularity, timezone);
    // A day that the zone skipped does not lead anywhere: one more before it does.
    const missing = lead - buckets.filter((bucket) => bucket.from < start).length;
    if (missing <= 0) return buckets;
    back += missing;
  }
}

export const rangeOfBuckets = (buckets: readonly TimeRange[]): TimeRange => ({
  from: buckets[0]?.from ?? 0,
  to: buckets.at(-1)?.to ?? 0,
});

/** Whether a bucket is as long as its zone makes it, and not cut by the range it was made from. */
function isWhole({ from, to, label }: Bucket, granularity: Granularity, timezone: string): boolean {
  // Seen from a microsecond before and after, the neighbours begin where it ends.
  const around = bucketsOf({ from: from - 1, to: to + 1 }, granularity, timezone);
  return around.length === 3 && around[1]?.label === label;
}

/**
 * Which buckets of a range are complete: ended at an instant, and not cut by the range. The others
 * hold less than they could, so that comparisons, tests and rates leave them out.
 */
export function completeOf(
  buckets: readonly Bucket[],
  granularity: Granularity,
  timezone: string,
  now: EpochUs,
): boolean[] {
  const last = buckets.length - 1;
  return buckets.map(
    (bucket, index) =>
      bucket.to <= now &&
      // Only the ends of a range can cut.
      ((index > 0 && index < last) || isWhole(bucket, granularity, timezone)),
  );
}
