import { DAY_US, type EpochUs, QUARTER_US } from "../../lib/time.ts";
import type { TimeRange } from "../time/time-range.ts";

const QUARTERS_OF_DAY = DAY_US / QUARTER_US;

/** Part of a slot. */
export interface SlotPiece extends TimeRange {
  /** From 1, as width_bucket counts. */
  slot: number;
}

/** Part of a slot that lies in one UTC day. */
export interface DayPiece extends SlotPiece {
  day: EpochUs;
  /** The quarters of the day that belong to the slot, a bit each; null for all. */
  mask: string | null;
}

/** One bit for each quarter of an hour of a day, set from `start` to before `end`. */
function quarterMask(start: number, end: number): string | null {
  if (end - start === QUARTERS_OF_DAY) return null;
  return "0".repeat(start) + "1".repeat(end - start) + "0".repeat(QUARTERS_OF_DAY - end);
}

/** @param from first and `to` last instant: whole quarters of an hour */
function dayPieces(slot: number, { from, to }: TimeRange): DayPiece[] {
  const pieces: DayPiece[] = [];
  for (let start = from; start < to; ) {
    const day = Math.floor(start / DAY_US) * DAY_US;
    const end = Math.min(to, day + DAY_US);
    const mask = quarterMask((start - day) / QUARTER_US, (end - day) / QUARTER_US);
    pieces.push({ slot, day, mask, from: start, to: end });
    start = end;
  }
  return pieces;
}

/**
 * Cuts slots into parts of UTC days, which `user_presence_daily` answers by a mask over their
 * quarters, and into edges that are not whole quarters, which only raw rows can answer (no zone's
 * day has such edges since 1972).
 */
export function cutByQuarters(slots: readonly TimeRange[]): {
  days: DayPiece[];
  edges: SlotPiece[];
} {
  const days: DayPiece[] = [];
  const edges: SlotPiece[] = [];
  for (const [index, { from, to }] of slots.entries()) {
    const slot = index + 1;
    const first = Math.ceil(from / QUARTER_US) * QUARTER_US;
    const last = Math.floor(to / QUARTER_US) * QUARTER_US;
    const hasQuarters = first < last;
    const rest = hasQuarters
      ? [
          { slot, from, to: first },
          { slot, from: last, to },
        ]
      : [{ slot, from, to }];
    edges.push(...rest.filter((edge) => edge.from < edge.to));
    if (hasQuarters) days.push(...dayPieces(slot, { from: first, to: last }));
  }
  return { days, edges };
}
