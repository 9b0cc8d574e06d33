import { z } from "zod";
import { fromMicros, toMicros } from "../../lib/decimal.ts";
import { groupValue } from "../catalog/dimensions.ts";
import { type MeasureName, measureOf, type Sums, type Value } from "../catalog/measures.ts";
import type { Query, Resolved } from "../plan/plan.ts";
import type { Position } from "../sql/order.ts";
import { parseSketch, type SketchCells } from "../sql/sketch.ts";

export interface Compared {
  previous: Value;
  /** current - previous, in the unit of the measure; credits as a decimal string. */
  change: Value;
  /** Fraction of the previous value; null from 0 or from nothing. */
  change_ratio: number | null;
  direction: "up" | "down" | "flat" | null;
}

export type Values = Partial<Record<MeasureName, Value>>;
export interface Row {
  bucket?: string;
  /** Of a row with a bucket: it is over, and the range does not cut it. */
  complete?: boolean;
  /** Values of the grouped dimensions; null where the execution has none. The row of all other groups has `other: true`. */
  group: Record<string, string | number | null>;
  other: boolean;
  values: Values;
  comparison?: Partial<Record<MeasureName, Compared>>;
  /** Of a group: its place in the order. */
  position?: Position;
  /** Of a question with `sketches`: bucket and count, in the order of buckets. */
  sketch?: SketchCells;
}

export interface Totals {
  totals: Values;
  totalsComparison?: Partial<Record<MeasureName, Compared>>;
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
/** What every statement of numbers says about itself. */
export const metaRow = z.object({
  as_of: z.string(),
  complete_until: z.string(),
  daily: z.number(),
  hourly: z.number(),
  raw: z.number(),
  groups: z.number().optional(),
  marked_days: z.array(z.string()).default([]),
  marked_hours: z.array(z.string()).default([]),
  unquartered: z.array(z.string()).default([]),
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

/** Change from `previous` to `current`; from 0 or from nothing there is no ratio. */
export function comparedValue(current: Value, previous: Value): Compared {
  if (current === null || previous === null)
    return { previous, change: null, change_ratio: null, direction: null };
  const [now, before] = [Number(current), Number(previous)];
  const change =
    typeof current === "string" && typeof previous === "string"
      ? fromMicros(toMicros(current) - toMicros(previous))
      : now - before;
  return {
    previous,
    change,
    change_ratio: before === 0 ? null : (now - before) / Math.abs(before),
    direction: now > before ? "up" : now < before ? "down" : "flat",
  };
}

/** Turns the statement's rows into the answer: finishes measures, fills empty buckets, pairs the compared ones. */
export class Finisher {
  private readonly query: Query;
  private readonly resolved: Resolved;
  private readonly found = new Map<string, StatRow>();
  inexact = new Set<MeasureName>();

  constructor(query: Query, resolved: Resolved, rows: StatRow[]) {
    this.query = query;
    this.resolved = resolved;
    for (const row of rows) this.found.set(this.key(row.period, row.bucket, row.rank), row);
  }

  private key(period: number, bucket: number | null, rank: number | null): string {
    return `${period}/${bucket}/${rank}`;
  }

  private values(row: StatRow | undefined): Values {
    const { measures } = this.query;
    if (!row) return Object.fromEntries(measures.map((name) => [name, measureOf(name).empty]));
    const quantiles = this.resolved.plan.quantiles;
    const known: Sums = {
      ...row,
      quantile_exact_ms: row.rolled_durations === 0 ? row.quantile_exact_ms : null,
    };
    const entries = measures.map((name): [MeasureName, Value] => {
      const measure = measureOf(name);
      if (measure.quantile !== undefined && row.rolled_durations > 0) this.inexact.add(name);
      return [name, measure.finish(known, quantiles)];
    });
    return Object.fromEntries(entries);
  }

  private comparison(
    current: Values,
    row: StatRow | undefined,
  ): Partial<Record<MeasureName, Compared>> {
    const previous = this.values(row);
    return Object.fromEntries(
      this.query.measures.map((name) => [
        name,
        comparedValue(current[name] ?? null, previous[name] ?? null),
      ]),
    );
  }

  /** Empty for a question of rows only. */
  totals(): Totals {
    if (!this.resolved.plan.totalled) return { totals: {} };
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

  rows(): Row[] {
    const { plan, buckets, complete, paired } = this.resolved;
    if (!plan.parted) return [this.whole()];
    const ranks = new Map<number, StatRow["groups"]>();
    for (const row of this.found.values())
      if (row.rank !== null && row.bucket !== null) ranks.set(row.rank, row.groups);
    if (plan.groups.length === 0) ranks.set(0, null);
    // Rank 0 is the row of all other groups: after the best ones.
    const order = [...ranks].sort(
      ([a], [b]) => (a || Number.POSITIVE_INFINITY) - (b || Number.POSITIVE_INFINITY),
    );
    return buckets.flatMap((bucket, index) =>
      order.map(([rank, groups]): Row => {
        const found = this.found.get(this.key(0, index, rank));
        const values = this.values(found);
        const row: Row = {
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
  private whole(): Row {
    const { totals, totalsComparison } = this.totals();
    return {
      group: {},
      other: false,
      values: totals,
      ...(totalsComparison ? { comparison: totalsComparison } : {}),
    };
  }

  private group(values: StatRow["groups"]): Row["group"] {
    return Object.fromEntries(
      this.resolved.plan.groups.map(({ name, kind }, index) => [
        name,
        groupValue(kind, values?.[index] ?? null),
      ]),
    );
  }
}
