import { z } from "zod";
import { groupValue } from "../catalog/dimensions.ts";
import {
  type MeasureName,
  type MeasureSums,
  type MeasureValue,
  measureOf,
} from "../catalog/measures.ts";
import type { PlannedQuery } from "../plan/plan.ts";
import type { Query } from "../query.ts";
import type { GroupPosition } from "../sql/order.ts";
import { parseSketch, type SketchCells } from "../sql/sketch.ts";
import { type ComparedValue, compareValues } from "./compare.ts";
import { metaRow } from "./meta-row.ts";

export type MeasureValues = Partial<Record<MeasureName, MeasureValue>>;
export interface AnswerRow {
  bucket?: string;
  /** Of a row with a bucket: it is over, and the range does not cut it. */
  complete?: boolean;
  /** Values of the grouped dimensions; null where the execution has none. The row of all other groups has `other: true`. */
  group: Record<string, string | number | null>;
  other: boolean;
  values: MeasureValues;
  comparison?: Partial<Record<MeasureName, ComparedValue>>;
  /** Of a group: its place in the order. */
  position?: GroupPosition;
  /** Of a question with `sketches`: bucket and count, in the order of buckets. */
  sketch?: SketchCells;
}

export interface AnswerTotals {
  totals: MeasureValues;
  totalsComparison?: Partial<Record<MeasureName, ComparedValue>>;
  totalsSketch?: SketchCells;
}

const text = z.coerce.string();
const sums = z.object({
  executions: z.number(),
  successes: z.number(),
  failures: z.number(),
  timeouts: z.number(),
  cancellations: z.number(),
  running: z.number(),
  errors: z.number(),
  duration_count: z.number(),
  rolled_durations: z.number(),
  duration_sum_ms: text,
  duration_stddev_ms: z.number().nullable(),
  duration_min_ms: z.coerce.number().nullable(),
  duration_max_ms: z.coerce.number().nullable(),
  credits: text,
  credits_avg: text.nullable(),
  tokens_in: text,
  tokens_out: text,
  quantile_keys: z.array(z.number()).nullable(),
  quantile_exact_ms: z.array(z.coerce.number()).nullable(),
  active_users: z.number(),
  active_agents: z.number(),
  sketch: z.string().nullable(),
});
export const resultRow = z.union([
  z.object({ meta: metaRow }),
  sums.extend({
    period: z.number(),
    bucket: z.number().nullable(),
    rank: z.number().nullable(),
    groups: z.array(z.string().nullable()).nullable(),
  }),
]);
export type StatRow = Exclude<z.output<typeof resultRow>, { meta: unknown }>;

/** Turns the statement's rows into the answer: finishes measures, fills empty buckets, pairs the compared ones. */
export class Finisher {
  private readonly query: Query;
  private readonly resolved: PlannedQuery;
  private readonly found = new Map<string, StatRow>();
  inexact = new Set<MeasureName>();

  constructor(query: Query, resolved: PlannedQuery, rows: StatRow[]) {
    this.query = query;
    this.resolved = resolved;
    for (const row of rows) this.found.set(this.key(row.period, row.bucket, row.rank), row);
  }

  private key(period: number, bucket: number | null, rank: number | null): string {
    return `${period}/${bucket}/${rank}`;
  }

  private values(row: StatRow | undefined): MeasureValues {
    const { measures } = this.query;
    if (!row) return Object.fromEntries(measures.map((name) => [name, measureOf(name).empty]));
    const quantiles = this.resolved.plan.quantiles;
    const known: MeasureSums = {
      ...row,
      quantile_exact_ms: row.rolled_durations === 0 ? row.quantile_exact_ms : null,
    };
    const entries = measures.map((name): [MeasureName, MeasureValue] => {
      const measure = measureOf(name);
      if (measure.quantile !== undefined && row.rolled_durations > 0) this.inexact.add(name);
      return [name, measure.finish(known, quantiles)];
    });
    return Object.fromEntries(entries);
  }

  private comparison(
    current: MeasureValues,
    row: StatRow | undefined,
  ): Partial<Record<MeasureName, ComparedValue>> {
    const previous = this.values(row);
    return Object.fromEntries(
      this.query.measures.map((name) => [
        name,
        compareValues(current[name] ?? null, previous[name] ?? null),
      ]),
    );
  }

  /** Empty for a question of rows only. */
  totals(): AnswerTotals {
    if (!this.resolved.plan.withTotals) return { totals: {} };
    const row = this.found.get(this.key(0, null, null));
    const totals = this.values(row);
    const sketch = this.query.sketches ? { totalsSketch: parseSketch(row?.sketch) } : {};
    if (!this.query.compare) return { totals, ...sketch };
    return {
      totals,
      ...sketch,
      totalsComparison: this.comparison(totals, this.found.get(this.key(1, null, null))),
    };
  }

  rows(): AnswerRow[] {
    const { plan, buckets, complete, paired } = this.resolved;
    if (!plan.hasRows) return [this.whole()];
    const ranks = new Map<number, StatRow["groups"]>();
    for (const row of this.found.values())
      if (row.rank !== null && row.bucket !== null) ranks.set(row.rank, row.groups);
    if (plan.groups.length === 0) ranks.set(0, null);
    // Rank 0 is the row of all other groups: after the best ones.
    const order = [...ranks].sort(
      ([a], [b]) => (a || Number.POSITIVE_INFINITY) - (b || Number.POSITIVE_INFINITY),
    );
    return buckets.flatMap((bucket, index) =>
      order.map(([rank, groups]): AnswerRow => {
        const found = this.found.get(this.key(0, index, rank));
        const values = this.values(found);
        const row: AnswerRow = {
          group: this.group(groups),
          other: plan.groups.length > 0 && rank === 0,
          values,
        };
        if (this.query.granularity) {
          row.bucket = bucket.label;
          row.complete = complete[index] ?? false;
        }
        if (this.query.sketches) row.sketch = parseSketch(found?.sketch);
        if (rank !== 0 && groups)
          row.position = {
            value: groups.at(-1) ?? null,
            group: groups.slice(0, -1).map((each) => each ?? ""),
          };
        if (this.query.compare && index < paired)
          row.comparison = this.comparison(values, this.found.get(this.key(1, index, rank)));
        return row;
      }),
    );
  }

  /** The only row of an answer without buckets and groups. */
  private whole(): AnswerRow {
    const { totals, totalsComparison } = this.totals();
    return {
      group: {},
      other: false,
      values: totals,
      ...(totalsComparison ? { comparison: totalsComparison } : {}),
    };
  }

  private group(values: StatRow["groups"]): AnswerRow["group"] {
    return Object.fromEntries(
      this.resolved.plan.groups.map(({ name, kind }, index) => [
        name,
        groupValue(kind, values?.[index] ?? null),
      ]),
    );
  }
}
