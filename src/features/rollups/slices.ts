import type { RollupUnit } from "../../analytics/rollups/definition.ts";
import { AppError } from "../../lib/errors.ts";

/** Buckets of a run's first transaction, and of its largest. */
const SLICES: Record<RollupUnit, { first: number; most: number }> = {
  minute: { first: 10, most: 60 },
  hour: { first: 25, most: 400 },
  day: { first: 4, most: 40 },
  session: { first: 10, most: 100 },
};
/** A transaction that takes less is followed by one of twice as many buckets; more, by half. */
const SHORT_MS = 1_500;
const LONG_MS = 4_000;

export interface RollupSlices {
  /** The number of buckets that the next transaction may have. */
  size: number;
  /** @param ms how long the last one took */
  took(ms: number): void;
  /** Whether a smaller transaction may do what this failure ended. */
  shrinks(error: unknown): boolean;
}

/**
 * Sizes of a run's transactions: a bucket may have one row or millions, and only the time that the
 * last ones took tells.
 */
export function rollupSlices(unit: RollupUnit): RollupSlices {
  const { first, most } = SLICES[unit];
  return {
    size: first,
    took(ms) {
      if (ms < SHORT_MS) this.size = Math.min(most, this.size * 2);
      else if (ms > LONG_MS) this.size = Math.ceil(this.size / 2);
    },
    shrinks(error) {
      if (!(error instanceof AppError) || error.code !== "database_timeout") return false;
      if (this.size === 1) return false;
      this.size = Math.ceil(this.size / 4);
      return true;
    },
  };
}
