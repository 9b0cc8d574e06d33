import type { EpochUs } from "../../lib/time.ts";
import type { Bucket } from "../time/range.ts";
import type { FunnelUser } from "./run-funnel.ts";
import { rateOf } from "./summarize.ts";

/** Index of the first bucket that ends after a moment. */
function bucketAt(buckets: readonly Bucket[], at: EpochUs): number {
  let [low, high] = [0, buckets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((buckets[middle]?.to ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Users by the local bucket in which their journey begins: entered and, of those, converted or
 * still in progress.
 */
export class TrendCounts {
  readonly #buckets: readonly Bucket[];
  readonly #steps: number;
  readonly #counts: { entered: number; converted: number; in_progress: number }[];

  constructor(buckets: readonly Bucket[], steps: number) {
    this.#buckets = buckets;
    this.#steps = steps;
    this.#counts = buckets.map(() => ({ entered: 0, converted: 0, in_progress: 0 }));
  }

  add({ times, level, inProgress }: FunnelUser): void {
    const count = this.#counts[bucketAt(this.#buckets, times[0] ?? 0)];
    if (!count) return;
    count.entered++;
    if (level === this.#steps) count.converted++;
    else if (inProgress) count.in_progress++;
  }

  rows() {
    return this.#counts.map((count, index) => ({
      bucket: this.#buckets[index]?.label ?? "",
      ...count,
      conversion_rate: rateOf(count.converted, count.entered),
    }));
  }
}
