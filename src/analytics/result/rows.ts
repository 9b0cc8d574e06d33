import { groupValue } from "../catalog/dimensions.ts";
import type { MeasureSums, MeasureValue } from "../catalog/measure.ts";
import { type MeasureName, measureOf } from "../catalog/measures.ts";
import type { PlannedQuery } from "../plan/plan.ts";
import type { Query } from "../query.ts";
import type { GroupPosition } from "../sql/order.ts";
import { parseSketch, quantileKeys, type SketchCells, unpackSketch } from "../sql/sketch.ts";
import { type ComparedValue, compareValues } from "./compare.ts";
import type { StatRow } from "./found-rows.ts";

export type MeasureValues = Partial<Record<MeasureName, MeasureValue>>;
export type ComparedValues = Partial<Record<MeasureName, ComparedValue>>;
export interface AnswerRow {
  bucket?: string;
  /** Whether the row's bucket has ended and the range does not cut it. */
  complete?: boolean;
  /**
   * Values of the grouped dimensions; null where the execution has none. The row of all other
   * groups has `other: true`.
   */
  group: Record<string, string | number | null>;
  other: boolean;
  values: MeasureValues;
  comparison?: ComparedValues;
  /** Of a group: its place in the order. */
  position?: GroupPosition;
  /** Of a question with `sketches`: bucket and count, in the order of buckets. */
  sketch?: SketchCells;
}

export interface AnswerTotals {
  totals: MeasureValues;
  totalsComparison?: ComparedValues;
  totalsSketch?: SketchCells;
}

/** The statement's rows by their place, and what is asked of them. */
interface Found {
  query: Query;
  planned: PlannedQuery;
  row(period: 0 | 1, bucket: number | null, rank: number | null): StatRow | undefined;
  /** The group of each rank: the best ones first, and rank 0 (all others) after them. */
  ranks: [rank: number, groups: StatRow["groups"]][];
}

const placeOf = (period: number, bucket: number | null, rank: number | null) =>
  `${period}/${bucket}/${rank}`;

function findRows(query: Query, planned: PlannedQuery, rows: readonly StatRow[]): Found {
  const places = new Map(rows.map((row) => [placeOf(row.period, row.bucket, row.rank), row]));
  const groups = new Map<number, StatRow["groups"]>();
  for (const { rank, bucket, groups: of } of rows)
    if (rank !== null && bucket !== null) groups.set(rank, of);
  if (planned.plan.groups.length === 0) groups.set(0, null);
  const last = (rank: number) => rank || Number.POSITIVE_INFINITY;
  return {
    query,
    planned,
    row: (period, bucket, rank) => places.get(placeOf(period, bucket, rank)),
    ranks: [...groups].sort(([a], [b]) => last(a) - last(b)),
  };
}

const cellsOf = (row: StatRow | undefined): SketchCells =>
  row?.sketch_digits ? unpackSketch(row.sketch_digits) : parseSketch(row?.sketch);

/** Values of one row; those of an empty set where the statement has none. */
function valuesOf({ query, planned }: Found, row: StatRow | undefined): MeasureValues {
  const { measures } = query;
  const { quantiles } = planned.plan;
  if (!row) return Object.fromEntries(measures.map((name) => [name, measureOf(name).empty]));
  const known: MeasureSums = {
    ...row,
    quantile_exact_ms: row.rolled_durations === 0 ? row.quantile_exact_ms : null,
    quantile_keys: row.sketch_digits ? quantileKeys(cellsOf(row), quantiles) : row.quantile_keys,
  };
  return Object.fromEntries(
    measures.map((name) => [name, measureOf(name).finish(known, quantiles)]),
  );
}

function comparisonOf(
  found: Found,
  current: MeasureValues,
  row: StatRow | undefined,
): ComparedValues {
  const previous = valuesOf(found, row);
  return Object.fromEntries(
    found.query.measures.map((name) => [
      name,
      compareValues(current[name] ?? null, previous[name] ?? null),
    ]),
  );
}

/** The total of the range; empty for a question of rows only. */
function totalsOf(found: Found): AnswerTotals {
  const { query, planned } = found;
  if (!planned.plan.withTotals) return { totals: {} };
  const row = found.row(0, null, null);
  const totals = valuesOf(found, row);
  return {
    totals,
    ...(query.sketches ? { totalsSketch: cellsOf(row) } : {}),
    ...(query.compare
      ? { totalsComparison: comparisonOf(found, totals, found.row(1, null, null)) }
      : {}),
  };
}

/** The only row of an answer without buckets and groups. */
function wholeRow({ totals, totalsComparison }: AnswerTotals): AnswerRow {
  return {
    group: {},
    other: false,
    values: totals,
    ...(totalsComparison ? { comparison: totalsComparison } : {}),
  };
}

function groupOf({ planned }: Found, keys: StatRow["groups"]): AnswerRow["group"] {
  return Object.fromEntries(
    planned.plan.groups.map(({ name, kind }, index) => [
      name,
      groupValue(kind, keys?.[index] ?? null),
    ]),
  );
}

/** The place of a group in its order: what it is ordered by stands last among its keys. */
const positionOf = (keys: readonly (string | null)[]): GroupPosition => ({
  value: keys.at(-1) ?? null,
  group: keys.slice(0, -1).map((each) => each ?? ""),
});

/** One row of the answer: a group in a bucket. */
function rowOf(found: Found, bucket: number, rank: number, keys: StatRow["groups"]): AnswerRow {
  const { query, planned } = found;
  const row = found.row(0, bucket, rank);
  const values = valuesOf(found, row);
  const isCompared = query.compare && bucket < planned.paired;
  return {
    group: groupOf(found, keys),
    other: planned.plan.groups.length > 0 && rank === 0,
    values,
    ...(query.granularity
      ? {
          bucket: planned.buckets[bucket]?.label ?? "",
          complete: planned.complete[bucket] ?? false,
        }
      : {}),
    ...(query.sketches ? { sketch: cellsOf(row) } : {}),
    ...(rank !== 0 && keys ? { position: positionOf(keys) } : {}),
    ...(isCompared ? { comparison: comparisonOf(found, values, found.row(1, bucket, rank)) } : {}),
  };
}

/** Measures whose quantiles come from a sketch in some row of the answer. */
function inexactMeasures(
  query: Query,
  { paired }: PlannedQuery,
  stats: readonly StatRow[],
): MeasureName[] {
  const isShown = ({ period, bucket }: StatRow) =>
    period === 0 || bucket === null || bucket < paired;
  if (!stats.some((row) => row.rolled_durations > 0 && isShown(row))) return [];
  return query.measures.filter((name) => measureOf(name).quantile !== undefined);
}

/**
 * Turns the statement's rows into the answer's: finishes measures, fills empty buckets, pairs the
 * compared ones.
 * @returns `inexact`: the measures that are within RELATIVE_ERROR only
 */
export function finishRows(
  query: Query,
  planned: PlannedQuery,
  stats: readonly StatRow[],
): AnswerTotals & { rows: AnswerRow[]; inexact: MeasureName[] } {
  const found = findRows(query, planned, stats);
  const totals = totalsOf(found);
  const rows = planned.plan.hasRows
    ? planned.buckets.flatMap((_, bucket) =>
        found.ranks.map(([rank, keys]) => rowOf(found, bucket, rank, keys)),
      )
    : [wholeRow(totals)];
  return { ...totals, rows, inexact: inexactMeasures(query, planned, stats) };
}
