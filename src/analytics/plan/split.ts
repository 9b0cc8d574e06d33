import { DAY_US, type EpochUs, HOUR_US, MINUTE_US, QUARTER_US } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";
import type { RollupChoice } from "./rollup-choice.ts";

/**
 * Disjoint pieces, in time order: whole UTC days, whole UTC hours, quarters of an hour, minutes of
 * the newest hours, and what only raw rows can cut.
 */
export interface SourcePieces {
  day: TimeRange[];
  hour: TimeRange[];
  quarter: TimeRange[];
  minute: TimeRange[];
  raw: TimeRange[];
}

/**
 * The pieces of a range, and those of its quarters on a day with a mark: hours, and the rest.
 */
export interface SplitRange extends SourcePieces {
  fallback: Pick<SourcePieces, "hour" | "minute" | "raw">;
  /** The hours that minutes may answer; undefined where the range has none of them. */
  recent: TimeRange | undefined;
}

/** The hours that can have minutes: the newest, and the two before, which runs that end change. */
export function recentHours(now: EpochUs): TimeRange {
  const hour = Math.floor(now / HOUR_US) * HOUR_US;
  return { from: hour - 2 * HOUR_US, to: hour + HOUR_US };
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

/** Where pieces that no hour can answer go. */
type RestPieces = Pick<SourcePieces, "minute" | "raw">;

/** Adds the whole minutes of the recent hours, and leaves what is around them to raw rows. */
function splitRest(piece: TimeRange, recent: TimeRange | undefined, { minute, raw }: RestPieces) {
  const rest = ({ from, to }: TimeRange) => addRange(raw, from, to);
  if (!recent || piece.to <= recent.from || piece.from >= recent.to) return rest(piece);
  const [from, to] = [Math.max(piece.from, recent.from), Math.min(piece.to, recent.to)];
  rest({ from: piece.from, to: from });
  split({ from, to }, MINUTE_US, minute, rest);
  return rest({ from: to, to: piece.to });
}

/**
 * Cuts buckets into what each source can answer without mixing two buckets.
 * @param buckets disjoint and in time order; they need not touch
 * @param now the moment of asking: the newest hours are cut into minutes
 */
export function splitByGrain(
  buckets: readonly TimeRange[],
  source: RollupChoice,
  now: EpochUs,
): SplitRange {
  const hours = recentHours(now);
  const isRecent = buckets.some(({ from, to }) => from < hours.to && to > hours.from);
  const recent = source.minutely && isRecent ? hours : undefined;
  const pieces: SplitRange = {
    day: [],
    hour: [],
    quarter: [],
    minute: [],
    raw: [],
    fallback: { hour: [], minute: [], raw: [] },
    recent,
  };
  const small = (piece: TimeRange) => splitRest(piece, recent, pieces);
  const quarters = (piece: TimeRange) => {
    const whole: TimeRange[] = [];
    split(piece, QUARTER_US, whole, small);
    for (const { from, to } of whole) {
      addRange(pieces.quarter, from, to);
      split({ from, to }, HOUR_US, pieces.fallback.hour, (rest) =>
        splitRest(rest, recent, pieces.fallback),
      );
    }
  };
  const rest = (piece: TimeRange) => {
    const isOfHours = piece.from % HOUR_US === 0 && piece.to % HOUR_US === 0;
    if (source.quarterly && !isOfHours) quarters(piece);
    else if (source.hourly) split(piece, HOUR_US, pieces.hour, small);
    else small(piece);
  };
  for (const bucket of buckets) {
    if (source.daily) split(bucket, DAY_US, pieces.day, rest);
    else rest(bucket);
  }
  return pieces;
}
