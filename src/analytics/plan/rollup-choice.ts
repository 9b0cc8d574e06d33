import { DAY_US, type EpochUs, HOUR_US, QUARTER_US } from "../../lib/time.ts";
import type { Dimension } from "../catalog/dimensions.ts";
import type { TimeRange } from "../time/time-range.ts";

/** A set of rollup rows: which table, which of its grains, and the dimensions that the grain keeps apart. */
export interface Grain {
  table:
    | "execution_metrics_hourly"
    | "execution_metrics_daily"
    | "user_activity_daily"
    | "execution_quarters_daily";
  grain: "total" | "agent" | "cube" | "user";
  dimensions: readonly Dimension[];
}

/** From the fewest rows to the most: the first that keeps all asked dimensions answers. */
const HOURLY: readonly Grain[] = [
  { table: "execution_metrics_hourly", grain: "total", dimensions: ["status"] },
  { table: "execution_metrics_hourly", grain: "agent", dimensions: ["agent", "status"] },
];
const DAILY: readonly Grain[] = [
  { table: "execution_metrics_daily", grain: "total", dimensions: ["status"] },
  { table: "execution_metrics_daily", grain: "agent", dimensions: ["agent", "status"] },
  { table: "user_activity_daily", grain: "user", dimensions: ["user", "status"] },
  {
    table: "execution_metrics_daily",
    grain: "cube",
    dimensions: ["agent", "model", "environment", "version", "error_type", "status"],
  },
];

/** Numbers of executions by the quarter of an hour in which they started: they cut what hours cannot, in zones such as India's. */
const QUARTERLY: readonly Grain[] = [
  { table: "execution_quarters_daily", grain: "total", dimensions: ["status"] },
  { table: "execution_quarters_daily", grain: "agent", dimensions: ["agent", "status"] },
];

export interface Source {
  daily: Grain | undefined;
  hourly: Grain | undefined;
  /** Undefined where more is asked than numbers of executions. */
  quarterly: Grain | undefined;
}

/**
 * The rollups that can answer for these dimensions.
 * @param needed rollup dimensions of filters and groups; undefined when one of them only exists in raw rows
 * @param countsOnly whether all measures are made of numbers of executions by status
 */
export function chooseSource(
  needed: readonly Dimension[] | undefined,
  countsOnly: boolean,
): Source {
  const first = (grains: readonly Grain[]) =>
    needed
      ? grains.find((grain) => needed.every((name) => grain.dimensions.includes(name)))
      : undefined;
  const hourly = first(HOURLY);
  // Hours stand in for quarters on a day with a mark.
  return {
    daily: first(DAILY),
    hourly,
    quarterly: hourly && countsOnly ? first(QUARTERLY) : undefined,
  };
}

/** Disjoint pieces, in time order: whole UTC days, whole UTC hours, quarters of an hour, and what only raw rows can cut. */
export interface Pieces {
  day: TimeRange[];
  hour: TimeRange[];
  quarter: TimeRange[];
  raw: TimeRange[];
}

/** How a range is cut, and how its quarters are cut on a day with a mark: into hours, and the rest. */
export interface Cut extends Pieces {
  beneath: Pick<Pieces, "hour" | "raw">;
}

const up = (us: EpochUs, unit: number) => Math.ceil(us / unit) * unit;
const down = (us: EpochUs, unit: number) => Math.floor(us / unit) * unit;

function push(list: TimeRange[], from: EpochUs, to: EpochUs): void {
  if (to <= from) return;
  const last = list.at(-1);
  if (last?.to === from) last.to = to;
  else list.push({ from, to });
}

/** Adds the whole units inside [from, to) to `whole`, and gives what is left at both ends to `rest`. */
function split(
  range: TimeRange,
  unit: number,
  whole: TimeRange[],
  rest: (piece: TimeRange) => void,
): void {
  const first = up(range.from, unit);
  const last = down(range.to, unit);
  if (first < last) {
    rest({ from: range.from, to: first });
    push(whole, first, last);
    rest({ from: last, to: range.to });
  } else rest(range);
}

/**
 * Cuts buckets into what each source can answer without mixing two buckets.
 * @param buckets disjoint and in time order; they need not touch
 */
export function cut(buckets: readonly TimeRange[], source: Source): Cut {
  const pieces: Cut = { day: [], hour: [], quarter: [], raw: [], beneath: { hour: [], raw: [] } };
  const raw = (piece: TimeRange) => push(pieces.raw, piece.from, piece.to);
  const hours = (piece: TimeRange) =>
    source.hourly ? split(piece, HOUR_US, pieces.hour, raw) : raw(piece);
  const quarters = (piece: TimeRange) => {
    const whole: TimeRange[] = [];
    split(piece, QUARTER_US, whole, raw);
    for (const { from, to } of whole) {
      push(pieces.quarter, from, to);
      split({ from, to }, HOUR_US, pieces.beneath.hour, (rest) =>
        push(pieces.beneath.raw, rest.from, rest.to),
      );
    }
  };
  const rest = (piece: TimeRange) =>
    source.quarterly && (piece.from % HOUR_US !== 0 || piece.to % HOUR_US !== 0)
      ? quarters(piece)
      : hours(piece);
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
      push(left, start, mark);
      start = mark + unit;
    }
    push(left, start, to);
  }
  return left;
}

/** What the marked units take of the pieces. */
function within(list: readonly TimeRange[], marked: readonly EpochUs[], unit: number): TimeRange[] {
  const taken: TimeRange[] = [];
  for (const { from, to } of list)
    for (const mark of marked) push(taken, Math.max(from, mark), Math.min(to, mark + unit));
  return taken;
}

/** Ranges in time order, those that touch as one. */
function joined(list: readonly TimeRange[]): TimeRange[] {
  const result: TimeRange[] = [];
  for (const { from, to } of [...list].sort((a, b) => a.from - b.from)) push(result, from, to);
  return result;
}

/** Buckets with a mark, in time order. */
export interface Marked {
  days: readonly EpochUs[];
  hours: readonly EpochUs[];
  /** Days whose quarters do not count: those with a mark, and those without rows of quarters. */
  unquartered: readonly EpochUs[];
}

/**
 * Which source answered each piece: a marked day falls to the hours (or, without hourly rows for these dimensions, to raw rows),
 * and so do quarters on it; a marked hour falls to raw rows.
 */
export function answered(pieces: Cut, source: Source, marked: Marked): Pieces {
  const fallen = marked.days.flatMap((day) => within(pieces.day, [day], DAY_US));
  const day = without(pieces.day, marked.days, DAY_US);
  const quarter = without(pieces.quarter, marked.unquartered, DAY_US);
  if (!source.hourly) return { day, hour: [], quarter, raw: joined([...pieces.raw, ...fallen]) };
  const hours = joined([
    ...pieces.hour,
    ...fallen,
    ...within(pieces.beneath.hour, marked.unquartered, DAY_US),
  ]);
  const raw = [
    ...pieces.raw,
    ...within(pieces.beneath.raw, marked.unquartered, DAY_US),
    ...within(hours, marked.hours, HOUR_US),
  ];
  return { day, hour: without(hours, marked.hours, HOUR_US), quarter, raw: joined(raw) };
}
