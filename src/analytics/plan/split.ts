import { DAY_US, type EpochUs, HOUR_US, QUARTER_US } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupChoice } from "./rollup-choice.ts";

/**
 * Disjoint pieces, in time order: whole UTC days, whole UTC hours, quarters of an hour, and what
 * only raw rows can cut.
 */
export interface SourcePieces {
  day: TimeRange[];
  hour: TimeRange[];
  quarter: TimeRange[];
  raw: TimeRange[];
}

/**
 * How a range is cut, and how its quarters are cut on a day with a mark: into hours, and the rest.
 */
export interface SplitRange extends SourcePieces {
  fallback: Pick<SourcePieces, "hour" | "raw">;
}

/** Appends a range that is not empty; one that touches the last range extends it. */
export function addRange(list: TimeRange[], from: EpochUs, to: EpochUs): void {
  if (to <= from) return;
  const last = list.at(-1);
  if (last?.to === from) last.to = to;
  else list.push({ from, to });
}

/**
 * Adds the whole units inside [from, to) to `whole`, and gives what is left at both ends to `rest`.
 */
function split(
  range: TimeRange,
  unit: number,
  whole: TimeRange[],
  rest: (piece: TimeRange) => void,
): void {
  const first = Math.ceil(range.from / unit) * unit;
  const last = Math.floor(range.to / unit) * unit;
  if (first < last) {
    rest({ from: range.from, to: first });
    addRange(whole, first, last);
    rest({ from: last, to: range.to });
  } else rest(range);
}

/**
 * Cuts buckets into what each source can answer without mixing two buckets.
 * @param buckets disjoint and in time order; they need not touch
 */
export function splitByGrain(buckets: readonly TimeRange[], source: RollupChoice): SplitRange {
  const pieces: SplitRange = {
    day: [],
    hour: [],
    quarter: [],
    raw: [],
    fallback: { hour: [], raw: [] },
  };
  const raw = (piece: TimeRange) => addRange(pieces.raw, piece.from, piece.to);
  const hours = (piece: TimeRange) =>
    source.hourly ? split(piece, HOUR_US, pieces.hour, raw) : raw(piece);
  const quarters = (piece: TimeRange) => {
    const whole: TimeRange[] = [];
    split(piece, QUARTER_US, whole, raw);
    for (const { from, to } of whole) {
      addRange(pieces.quarter, from, to);
      split({ from, to }, HOUR_US, pieces.fallback.hour, (rest) =>
        addRange(pieces.fallback.raw, rest.from, rest.to),
      );
    }
  };
  const rest = (piece: TimeRange) => {
    const isOfHours = piece.from % HOUR_US === 0 && piece.to % HOUR_US === 0;
    if (source.quarterly && !isOfHours) quarters(piece);
    else hours(piece);
  };
  for (const bucket of buckets) {
    if (source.daily) split(bucket, DAY_US, pieces.day, rest);
    else rest(bucket);
  }
  return pieces;
}

/** What the marked units leave of the pieces. */
function without(
  list: readonly TimeRange[],
  marked: readonly EpochUs[],
  unit: number,
): TimeRange[] {
  const left: TimeRange[] = [];
  for (const { from, to } of list) {
    let start = from;
    for (const mark of marked) {
      if (mark + unit <= from || mark >= to) continue;
      addRange(left, start, mark);
      start = mark + unit;
    }
    addRange(left, start, to);
  }
  return left;
}

/** Buckets with a mark, in time order. */
export interface MarkedUnits {
  days: readonly EpochUs[];
  hours: readonly EpochUs[];
  /** Days whose quarters do not count: those with a mark, and those without rows of quarters. */
  withoutQuarters: readonly EpochUs[];
}

/**
 * Which source answered each piece: a marked day falls to the hours (or, without hourly rows for
 * these dimensions, to raw rows), and so do quarters on it; a marked hour falls to raw rows.
 */
export function explainPieces(
  pieces: SplitRange,
  source: RollupChoice,
  marked: MarkedUnits,
): SourcePieces {
  const fallen = marked.days.flatMap((day) => within(pieces.day, [day], DAY_US));
  const day = without(pieces.day, marked.days, DAY_US);
  const quarter = without(pieces.quarter, marked.withoutQuarters, DAY_US);
  if (!source.hourly) return { day, hour: [], quarter, raw: joined([...pieces.raw, ...fallen]) };
  const hours = joined([
    ...pieces.hour,
    ...fallen,
    ...within(pieces.fallback.hour, marked.withoutQuarters, DAY_US),
  ]);
  const raw = [
    ...pieces.raw,
    ...within(pieces.fallback.raw, marked.withoutQuarters, DAY_US),
    ...within(hours, marked.hours, HOUR_US),
  ];
  return { day, hour: without(hours, marked.hours, HOUR_US), quarter, raw: joined(raw) };
}

/** What the marked units take of the pieces. */
function within(list: readonly TimeRange[], marked: readonly EpochUs[], unit: number): TimeRange[] {
  const taken: TimeRange[] = [];
  for (const { from, to } of list)
    for (const mark of marked) addRange(taken, Math.max(from, mark), Math.min(to, mark + unit));
  return taken;
}

/** Ranges in time order, those that touch as one. */
function joined(list: readonly TimeRange[]): TimeRange[] {
  const result: TimeRange[] = [];
  for (const { from, to } of [...list].sort((a, b) => a.from - b.from)) addRange(result, from, to);
  return result;
}
