import { DAY_US, type EpochUs, HOUR_US } from "../lib/time.ts";
import type { Dimension } from "./dimensions.ts";
import type { TimeRange } from "./range.ts";

/** A set of rollup rows: which table, which of its grains, and the dimensions that the grain keeps apart. */
export interface Grain {
  table: "execution_metrics_hourly" | "execution_metrics_daily" | "user_activity_daily";
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
  { table: "execution_metrics_daily", grain: "cube", dimensions: ["agent", "model", "environment", "version", "error_type", "status"] },
];

export interface Source {
  daily: Grain | undefined;
  hourly: Grain | undefined;
}

/**
 * The rollups that can answer for these dimensions.
 * @param needed rollup dimensions of filters and groups; undefined when one of them only exists in raw rows
 */
export function chooseSource(needed: readonly Dimension[] | undefined): Source {
  const first = (grains: readonly Grain[]) =>
    needed ? grains.find((grain) => needed.every((name) => grain.dimensions.includes(name))) : undefined;
  return { daily: first(DAILY), hourly: first(HOURLY) };
}

/** Disjoint pieces, in time order: whole UTC days, whole UTC hours, and what only raw rows can cut. */
export interface Pieces {
  day: TimeRange[];
  hour: TimeRange[];
  raw: TimeRange[];
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
function split(range: TimeRange, unit: number, whole: TimeRange[], rest: (piece: TimeRange) => void): void {
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
export function cut(buckets: readonly TimeRange[], source: Source): Pieces {
  const pieces: Pieces = { day: [], hour: [], raw: [] };
  const raw = (piece: TimeRange) => push(pieces.raw, piece.from, piece.to);
  const hours = (piece: TimeRange) => (source.hourly ? split(piece, HOUR_US, pieces.hour, raw) : raw(piece));
  for (const bucket of buckets) {
    if (source.daily) split(bucket, DAY_US, pieces.day, hours);
    else hours(bucket);
  }
  return pieces;
}

function without(list: readonly TimeRange[], marked: readonly EpochUs[], unit: number): TimeRange[] {
  const left: TimeRange[] = [];
  for (const { from, to } of list) {
    let start = from;
    for (const mark of marked) {
      if (mark < from || mark >= to) continue;
      push(left, start, mark);
      start = mark + unit;
    }
    push(left, start, to);
  }
  return left;
}

/** Ranges in time order, those that touch as one. */
function joined(list: readonly TimeRange[]): TimeRange[] {
  const result: TimeRange[] = [];
  for (const { from, to } of [...list].sort((a, b) => a.from - b.from)) push(result, from, to);
  return result;
}

/**
 * Which source answered each piece: a marked day falls to the hours (or, without hourly rows for these dimensions, to raw rows),
 * a marked hour to raw rows. Marks are in time order.
 */
export function answered(pieces: Pieces, source: Source, marked: { days: readonly EpochUs[]; hours: readonly EpochUs[] }): Pieces {
  const fallen = marked.days.map((day) => ({ from: day, to: day + DAY_US }));
  const day = without(pieces.day, marked.days, DAY_US);
  if (!source.hourly) return { day, hour: [], raw: joined([...pieces.raw, ...fallen]) };
  const hour = without(joined([...pieces.hour, ...fallen]), marked.hours, HOUR_US);
  return { day, hour, raw: joined([...pieces.raw, ...marked.hours.map((start) => ({ from: start, to: start + HOUR_US }))]) };
}
