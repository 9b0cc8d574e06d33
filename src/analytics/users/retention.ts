import { checkWork } from "../../lib/budget.ts";
import type { EpochUs } from "../../lib/time.ts";
import type { Bucket } from "../time/range.ts";
import type { CohortCounts } from "./cohorts.ts";

export const RETENTION_MODES = ["classic", "rolling", "bounded"] as const;
export type RetentionMode = (typeof RETENTION_MODES)[number];

export interface RetentionCell {
  offset: number;
  /**
   * Users of the cohort who count at this offset; what is known of them so far when the cell is not
   * complete.
   */
  users: number;
  /** users / size; null while the cell is not complete, because it may still grow. */
  rate: number | null;
  complete: boolean;
}

export interface RetentionCohort {
  cohort: string;
  size: number;
  /** Whether everybody of the cohort is known: its own bucket has ended. */
  complete: boolean;
  cells: RetentionCell[];
}

/**
 * A matrix is held in memory and in an answer whole: this is asked before anything is read for it.
 * @throws AppError unprocessable for more cells than the budget has
 */
export function checkCells(buckets: number, maxOffset: number, path = "query.max_offset"): void {
  const cells = buckets * Math.min(buckets, maxOffset + 1);
  const advice = "Ask for a shorter range, a coarser granularity or a smaller max_offset.";
  checkWork("cells", cells, path, advice);
}

/**
 * Users that count at each offset from 0 to `last`: there then (classic), then or later (rolling),
 * or at least once from offset 1 up to then (bounded). One pass each: sums from the end, or from
 * the begin.
 */
function usersBy(
  counts: CohortCounts,
  mode: RetentionMode,
  cohort: number,
  last: number,
): number[] {
  const of = (list: readonly number[][], offset: number) => list[cohort]?.[offset] ?? 0;
  const users = Array.from({ length: last + 1 }, (_, offset) =>
    of(mode === "rolling" ? counts.last : counts.present, offset),
  );
  if (mode === "rolling")
    for (let offset = last - 1; offset >= 0; offset--)
      users[offset] = (users[offset] ?? 0) + (users[offset + 1] ?? 0);
  if (mode === "bounded")
    for (let offset = 1; offset <= last; offset++)
      users[offset] = (offset === 1 ? 0 : (users[offset - 1] ?? 0)) + of(counts.back, offset);
  return users;
}

/**
 * The matrix of retention: one row a cohort, one cell an offset whose bucket has begun.
 * @param counts up to `maxOffset`
 * @param asOf a bucket that ends later than this is not complete
 */
export function matrixOf(
  counts: CohortCounts,
  buckets: readonly Bucket[],
  mode: RetentionMode,
  asOf: EpochUs,
  maxOffset: number,
): RetentionCohort[] {
  return buckets.map(({ label }, index): RetentionCohort => {
    const size = counts.sizes[index] ?? 0;
    const users = usersBy(counts, mode, index, Math.min(maxOffset, buckets.length - 1 - index));
    const cells = buckets
      .slice(index, index + maxOffset + 1)
      .flatMap(({ from, to }, offset): RetentionCell[] => {
        if (from > asOf) return [];
        const complete = to <= asOf;
        const here = users[offset] ?? 0;
        return [{ offset, users: here, rate: complete && size > 0 ? here / size : null, complete }];
      });
    return { cohort: label.slice(0, 10), size, complete: (buckets[index]?.to ?? 0) <= asOf, cells };
  });
}

export interface CurvePoint {
  offset: number;
  users: number;
  /**
   * Users of the cohorts whose cell at this offset is complete; the others say nothing about it
   * yet.
   */
  size: number;
  rate: number | null;
  cohorts: number;
}

/** The curve over all cohorts: sums of users over sums of sizes, complete cells only. */
export function curveOf(matrix: readonly RetentionCohort[], maxOffset: number): CurvePoint[] {
  return Array.from({ length: maxOffset + 1 }, (_, offset): CurvePoint => {
    const known = matrix.filter((cohort) => cohort.size > 0 && cohort.cells[offset]?.complete);
    const users = known.reduce((sum, cohort) => sum + (cohort.cells[offset]?.users ?? 0), 0);
    const size = known.reduce((sum, cohort) => sum + cohort.size, 0);
    return { offset, users, size, rate: size === 0 ? null : users / size, cohorts: known.length };
  }).filter((point) => point.cohorts > 0);
}
