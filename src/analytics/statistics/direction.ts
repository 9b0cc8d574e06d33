import { quickselect } from "simple-statistics";
import { checkWork } from "../../lib/budget.ts";
import { SIGNIFICANCE_LEVEL, twoSidedP } from "./significance.ts";

/** A value at its index in a series; an index without a value is left out. */
export interface PlacedValue {
  place: number;
  value: number;
}

export interface SeriesDirection {
  trend: "up" | "down" | "none";
  /** Kendall's tau-b of the values against time. */
  tau: number | null;
  /** Of Mann-Kendall, two-sided; null where nothing could be tested. */
  p_value: number | null;
  /** Theil-Sen: median change from one bucket to the next. */
  slope: number | null;
  points: number;
  /** Exact for at most 10 points without ties, else by the normal approximation. */
  method: "exact" | "normal" | null;
  reason?: string;
}

export const MIN_POINTS = 3;
const MAX_EXACT = 10;

/**
 * Number of permutations of n with each number of inversions (Kendall, "Rank Correlation Methods",
 * 1948), as shares.
 */
function inversions(n: number): number[] {
  let counts = [1];
  for (let size = 2; size <= n; size++) {
    const next = new Array<number>(counts.length + size - 1).fill(0);
    counts.forEach((count, k) => {
      for (let more = 0; more < size; more++) next[k + more] = (next[k + more] ?? 0) + count;
    });
    counts = next;
  }
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / all);
}

function exactP(n: number, s: number): number {
  const pairs = (n * (n - 1)) / 2;
  const shares = inversions(n);
  // S = pairs - 2 * inversions; both tails count.
  const p = shares.reduce(
    (sum, share, k) => (Math.abs(pairs - 2 * k) >= Math.abs(s) ? sum + share : sum),
    0,
  );
  return Math.min(1, p);
}

/** The normal approximation, with its correction for continuity. */
const normalP = (s: number, variance: number): number =>
  s === 0 ? 1 : twoSidedP((s - Math.sign(s)) / Math.sqrt(variance));

function trendFrom(p: number, s: number): SeriesDirection["trend"] {
  if (p >= SIGNIFICANCE_LEVEL) return "none";
  return s > 0 ? "up" : "down";
}

/** The answer if nothing could be tested. */
function untestedDirection(points: number, slope: number | null, reason: string): SeriesDirection {
  return { trend: "none", tau: null, p_value: null, slope, points, method: null, reason };
}

/** Kendall's S, and the median of the slopes of all pairs: n (n - 1) / 2 of them. */
function pairsOf(points: readonly PlacedValue[]): { s: number; slope: number } {
  const slopes: number[] = [];
  let s = 0;
  points.forEach((a, index) => {
    for (let other = index + 1; other < points.length; other++) {
      const b = points[other] ?? a;
      s += Math.sign(b.value - a.value);
      slopes.push((b.value - a.value) / (b.place - a.place));
    }
  });
  return { s, slope: medianOf(slopes) };
}

/** Median in linear time; the order of the values is lost. */
function medianOf(values: number[]): number {
  const middle = values.length >> 1;
  quickselect(values, middle, 0, values.length - 1);
  const upper = values[middle] ?? 0;
  if (values.length % 2 === 1) return upper;
  let lower = values[0] ?? 0;
  for (let index = 1; index < middle; index++) lower = Math.max(lower, values[index] ?? lower);
  return (lower + upper) / 2;
}

/**
 * Direction of a series: the Mann-Kendall test with its correction for ties (Mann 1945; Kendall
 * 1975) and the Theil-Sen slope (Sen, JASA 63, 1968). Both ask only for the order of pairs, so
 * outliers and gaps have little effect.
 * @throws AppError unprocessable for too many points: each is compared with each
 */
export function directionOf(points: readonly PlacedValue[]): SeriesDirection {
  const n = points.length;
  if (n < MIN_POINTS) {
    const reason = `At least ${MIN_POINTS} buckets with a value are needed.`;
    return untestedDirection(n, null, reason);
  }
  checkWork("series", n, "from");
  const { s, slope } = pairsOf(points);
  const counts = new Map<number, number>();
  for (const { value } of points) counts.set(value, (counts.get(value) ?? 0) + 1);
  const tied = [...counts.values()].filter((count) => count > 1);
  const pairs = (n * (n - 1)) / 2;
  const tiedPairs = tied.reduce((sum, t) => sum + (t * (t - 1)) / 2, 0);
  if (tiedPairs === pairs) return untestedDirection(n, slope, "All values are equal.");
  const tau = s / Math.sqrt(pairs * (pairs - tiedPairs));
  const exact = n <= MAX_EXACT && tied.length === 0;
  const variance =
    (n * (n - 1) * (2 * n + 5) - tied.reduce((sum, t) => sum + t * (t - 1) * (2 * t + 5), 0)) / 18;
  const p = exact ? exactP(n, s) : normalP(s, variance);
  return {
    trend: trendFrom(p, s),
    tau,
    p_value: p,
    slope,
    points: n,
    method: exact ? "exact" : "normal",
  };
}
