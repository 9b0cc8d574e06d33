import { fromMicros, toMicros } from "../../lib/decimal.ts";
import type { MeasureValue } from "../catalog/measure.ts";

export interface ComparedValue {
  previous: MeasureValue;
  /** current - previous, in the unit of the measure; credits as a decimal string. */
  change: MeasureValue;
  /** Fraction of the previous value; null from 0 or from nothing. */
  change_ratio: number | null;
  direction: "up" | "down" | "flat" | null;
}

function directionFrom(change: number): "up" | "down" | "flat" {
  if (change === 0) return "flat";
  return change > 0 ? "up" : "down";
}

/** Change from `previous` to `current`; from 0 or from nothing there is no ratio. */
export function compareValues(current: MeasureValue, previous: MeasureValue): ComparedValue {
  if (current === null || previous === null)
    return { previous, change: null, change_ratio: null, direction: null };
  const now = Number(current);
  const before = Number(previous);
  const change =
    typeof current === "string" && typeof previous === "string"
      ? fromMicros(toMicros(current) - toMicros(previous))
      : now - before;
  return {
    previous,
    change,
    change_ratio: before === 0 ? null : (now - before) / Math.abs(before),
    direction: directionFrom(now - before),
  };
}
