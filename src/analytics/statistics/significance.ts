import { errorFunction } from "simple-statistics";
import type { SketchCells } from "../sql/sketch.ts";

/** A test and its result; `p_value` is null, with a reason, if nothing could be tested. */
export interface SignificanceTest {
  test: "two_proportion_z" | "mann_whitney";
  tested: boolean;
  reason?: string;
  z: number | null;
  /** Two-sided. The error function is known to 1e-7: a smaller p is given as 1e-7. */
  p_value: number | null;
  significant: boolean | null;
  /**
   * Mann-Whitney: probability that a run of the first takes longer than one of the second (ties
   * count half).
   */
  superiority?: number | null;
}

export const SIGNIFICANCE_LEVEL = 0.05;
const SMALLEST_P = 1e-7;
/** Runs of one side below which nothing is tested. */
const SMALLEST_SAMPLE = 8;

/** Two-sided p-value of a standard normal z. */
export function twoSidedP(z: number): number {
  return Math.min(1, Math.max(SMALLEST_P, 1 - errorFunction(Math.abs(z) / Math.SQRT2)));
}

function untested(test: SignificanceTest["test"], reason: string): SignificanceTest {
  return { test, tested: false, reason, z: null, p_value: null, significant: null };
}

/**
 * Whether two shares differ by more than chance: the pooled two-proportion z-test (Fleiss,
 * "Statistical Methods for Rates and Proportions", 2003, ch. 3). It needs 5 expected successes and
 * failures on both sides. Where all runs of both sides have the property, or none, the shares are
 * the same, and Fisher's exact p is 1.
 */
export function twoProportions(
  a: { hits: number; of: number },
  b: { hits: number; of: number },
): SignificanceTest {
  const test = "two_proportion_z";
  if (a.of === 0 || b.of === 0) return untested(test, "One side has no ended runs.");
  const pooled = (a.hits + b.hits) / (a.of + b.of);
  if (Math.min(a.of, b.of) >= SMALLEST_SAMPLE && (pooled === 0 || pooled === 1))
    return { test, tested: true, z: 0, p_value: 1, significant: false };
  const smallest = Math.min(a.of, b.of) * Math.min(pooled, 1 - pooled);
  if (smallest < 5) return untested(test, "Too few runs: fewer than 5 expected on one side.");
  const z =
    (a.hits / a.of - b.hits / b.of) / Math.sqrt(pooled * (1 - pooled) * (1 / a.of + 1 / b.of));
  const p = twoSidedP(z);
  return { test, tested: true, z, p_value: p, significant: p < SIGNIFICANCE_LEVEL };
}

const total = (cells: SketchCells) => cells.reduce((sum, cell) => sum + cell.count, 0);

/**
 * Whether the durations of one side tend to be longer: Mann and Whitney (Ann. Math. Statist. 18,
 * 1947), by the normal approximation with the correction for ties. Runs of one sketch bucket
 * (within 2 % of each other) are ties.
 */
export function mannWhitney(a: SketchCells, b: SketchCells): SignificanceTest {
  const test = "mann_whitney";
  const m = total(a);
  const n = total(b);
  if (Math.min(m, n) < SMALLEST_SAMPLE)
    return untested(
      test,
      `Too few runs: at least ${SMALLEST_SAMPLE} with a duration are needed on each side.`,
    );
  const counts = new Map<number, [number, number]>();
  for (const { key, count } of a) counts.set(key, [count, 0]);
  for (const { key, count } of b) counts.set(key, [counts.get(key)?.[0] ?? 0, count]);
  let below = 0;
  let rankSum = 0;
  let ties = 0;
  for (const [, [ofA, ofB]] of [...counts].sort(([x], [y]) => x - y)) {
    const tied = ofA + ofB;
    rankSum += ofA * (below + (tied + 1) / 2);
    ties += tied ** 3 - tied;
    below += tied;
  }
  const u = rankSum - (m * (m + 1)) / 2;
  const all = m + n;
  const variance = ((m * n) / 12) * (all + 1 - ties / (all * (all - 1)));
  if (variance <= 0) return untested(test, "All runs take the same time.");
  const z = (u - (m * n) / 2) / Math.sqrt(variance);
  const p = twoSidedP(z);
  return {
    test,
    tested: true,
    z,
    p_value: p,
    significant: p < SIGNIFICANCE_LEVEL,
    superiority: u / (m * n),
  };
}
