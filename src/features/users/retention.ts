import { type CohortCounts, cellKey } from "../../analytics/cohorts.ts";
import type { Bucket } from "../../analytics/range.ts";
import type { EpochUs } from "../../lib/time.ts";

export const MODES = ["classic", "rolling", "bounded"] as const;
export type Mode = (typeof MODES)[number];

export interface Cell {
  offset: number;
  /** Users of the cohort who count at this offset; what is known of them so far when the cell is not complete. */
  users: number;
  /** users / size; null while the cell is not complete, because it may still grow. */
  rate: number | null;
  complete: boolean;
}

export interface Cohort {
  cohort: string;
  size: number;
  /** Whether everybody of the cohort is known: its own bucket is over. */
  complete: boolean;
  cells: Cell[];
}

/** Users that count at an offset: there then (classic), then or later (rolling), or at least once from offset 1 up to then (bounded). */
function usersAt(counts: CohortCounts, mode: Mode, cohort: number, offset: number, last: number): number {
  if (mode === "classic" || (mode === "bounded" && offset === 0)) return counts.present.get(cellKey(cohort, offset)) ?? 0;
  const [from, to, of] = mode === "rolling" ? [offset, last, counts.last] : [1, offset, counts.back];
  let users = 0;
  for (let each = from; each <= to; each++) users += of.get(cellKey(cohort, each)) ?? 0;
  return users;
}

/**
 * The matrix of retention: one row a cohort, one cell an offset whose bucket has begun.
 * @param asOf a bucket that ends later than this is not complete
 */
export function matrixOf(counts: CohortCounts, buckets: readonly Bucket[], mode: Mode, asOf: EpochUs, maxOffset: number): Cohort[] {
  return buckets.map(({ label }, index): Cohort => {
    const size = counts.sizes.get(index) ?? 0;
    const cells = buckets.slice(index, index + maxOffset + 1).flatMap(({ from, to }, offset): Cell[] => {
      if (from > asOf) return [];
      const complete = to <= asOf;
      const users = usersAt(counts, mode, index, offset, buckets.length - 1 - index);
      return [{ offset, users, rate: complete && size > 0 ? users / size : null, complete }];
    });
    return { cohort: label.slice(0, 10), size, complete: (buckets[index]?.to ?? 0) <= asOf, cells };
  });
}

export interface CurvePoint {
  offset: number;
  users: number;
  /** Users of the cohorts whose cell at this offset is complete; the others say nothing about it yet. */
  size: number;
  rate: number | null;
  cohorts: number;
}

/** The curve over all cohorts: sums of users over sums of sizes, complete cells only. */
export function curveOf(matrix: readonly Cohort[], maxOffset: number): CurvePoint[] {
  return Array.from({ length: maxOffset + 1 }, (_, offset): CurvePoint => {
    const known = matrix.filter((cohort) => cohort.size > 0 && cohort.cells[offset]?.complete);
    const users = known.reduce((sum, cohort) => sum + (cohort.cells[offset]?.users ?? 0), 0);
    const size = known.reduce((sum, cohort) => sum + cohort.size, 0);
    return { offset, users, size, rate: size === 0 ? null : users / size, cohorts: known.length };
  }).filter((point) => point.cohorts > 0);
}
