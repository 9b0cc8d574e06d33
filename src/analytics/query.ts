import { z } from "zod";
import type { Db } from "../db/client.ts";
import { type EpochUs, formatInstant, parseInstant } from "../lib/time.ts";
import { compile } from "./compile.ts";
import { type MeasureName, measureOf, type Sums, type Value } from "./measures.ts";
import { type Query, type Resolved, resolve } from "./plan.ts";
import { formatLocal } from "./range.ts";
import { RELATIVE_ERROR } from "./sketch.ts";
import { answered, type Grain } from "./source.ts";

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
  /** Values of the grouped dimensions; null where the execution has none. The row of all other groups has `other: true`. */
  group: Record<string, string | number | null>;
  other: boolean;
  values: Values;
  comparison?: Partial<Record<MeasureName, Compared>>;
}

export interface Meta {
  from: string;
  to: string;
  timezone: string;
  as_of: string;
  complete_until: string;
  sources: { daily: { buckets: number }; hourly: { buckets: number }; raw: { rows: number } };
  exact: boolean;
  relative_error: number;
  relative_errors?: Partial<Record<MeasureName, number>>;
  compared?: { from: string; to: string };
  plan?: Record<string, unknown>;
}

export interface Answer {
  rows: Row[];
  totals: Values;
  totalsComparison?: Partial<Record<MeasureName, Compared>>;
  meta: Meta;
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
});
const metaRow = z.object({
  as_of: z.string(),
  complete_until: z.string(),
  daily: z.number(),
  hourly: z.number(),
  raw: z.number(),
  marked_days: z.array(z.string()).default([]),
  marked_hours: z.array(z.string()).default([]),
});
const resultRow = z.union([
  z.object({ meta: metaRow }),
  sums.extend({
    period: z.number(),
    bucket: z.number().nullable(),
    rank: z.number().nullable(),
    groups: z.array(z.string().nullable()).nullable(),
  }),
]);
type StatRow = Exclude<z.output<typeof resultRow>, { meta: unknown }>;

const instant = (value: string) => formatInstant(parseInstant(value) ?? 0);

/** A decimal difference without floating point: both have at most 6 decimals. */
function subtract(a: string, b: string): string {
  const micro = (value: string) => {
    const [, sign = "", whole = "0", fraction = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(value) ?? [];
    return BigInt(`${sign}${whole}${fraction.padEnd(6, "0")}`);
  };
  const difference = micro(a) - micro(b);
  const digits = String(difference < 0n ? -difference : difference).padStart(7, "0");
  return `${difference < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}

/** Change from `previous` to `current`; from 0 or from nothing there is no ratio. */
export function comparedValue(current: Value, previous: Value): Compared {
  if (current === null || previous === null) return { previous, change: null, change_ratio: null, direction: null };
  const [now, before] = [Number(current), Number(previous)];
  const change = typeof current === "string" && typeof previous === "string" ? subtract(current, previous) : now - before;
  return {
    previous,
    change,
    change_ratio: before === 0 ? null : (now - before) / Math.abs(before),
    direction: now > before ? "up" : now < before ? "down" : "flat",
  };
}

/** Turns the statement's rows into the answer: finishes measures, fills empty buckets, pairs the compared ones. */
class Finisher {
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
    const quantiles = this.resolved.plan.quantiles;
    const entries = this.query.measures.map((name): [MeasureName, Value] => {
      const measure = measureOf(name);
      if (!row) return [name, measure.empty];
      const known: Sums = { ...row, quantile_exact_ms: row.rolled_durations === 0 ? row.quantile_exact_ms : null };
      if (measure.quantile !== undefined && row.rolled_durations > 0) this.inexact.add(name);
      return [name, measure.finish(known, quantiles)];
    });
    return Object.fromEntries(entries);
  }

  private comparison(current: Values, row: StatRow | undefined): Partial<Record<MeasureName, Compared>> {
    const previous = this.values(row);
    return Object.fromEntries(this.query.measures.map((name) => [name, comparedValue(current[name] ?? null, previous[name] ?? null)]));
  }

  totals(): Pick<Answer, "totals" | "totalsComparison"> {
    const totals = this.values(this.found.get(this.key(0, null, null)));
    if (!this.query.compare) return { totals };
    return { totals, totalsComparison: this.comparison(totals, this.found.get(this.key(1, null, null))) };
  }

  rows(): Row[] {
    const { plan, buckets } = this.resolved;
    if (!plan.parted) return [this.whole()];
    const ranks = new Map<number, StatRow["groups"]>();
    for (const row of this.found.values()) if (row.rank !== null && row.bucket !== null) ranks.set(row.rank, row.groups);
    if (plan.groups.length === 0) ranks.set(0, null);
    // Rank 0 is the row of all other groups: after the best ones.
    const order = [...ranks].sort(([a], [b]) => (a || Number.POSITIVE_INFINITY) - (b || Number.POSITIVE_INFINITY));
    return buckets.flatMap((bucket, index) =>
      order.map(([rank, groups]): Row => {
        const values = this.values(this.found.get(this.key(0, index, rank)));
        const row: Row = { group: this.group(groups), other: plan.groups.length > 0 && rank === 0, values };
        if (this.query.granularity) row.bucket = bucket.label;
        // Buckets pair by their place; where a clock or a calendar makes their numbers differ, only the totals are compared.
        if (this.query.compare && this.resolved.comparedBuckets.length === buckets.length)
          row.comparison = this.comparison(values, this.found.get(this.key(1, index, rank)));
        return row;
      }),
    );
  }

  /** The only row of an answer without buckets and groups. */
  private whole(): Row {
    const { totals, totalsComparison } = this.totals();
    return { group: {}, other: false, values: totals, ...(totalsComparison ? { comparison: totalsComparison } : {}) };
  }

  private group(values: StatRow["groups"]): Row["group"] {
    const clock = (name: string) => name === "hour_of_day" || name === "day_of_week";
    return Object.fromEntries(
      this.resolved.plan.groups.map(({ name }, index) => {
        const value = values?.[index] || null;
        return [name, value !== null && clock(name) ? Number(value) : value];
      }),
    );
  }
}

/** The pieces of the range as they were answered, marks and all. */
function explained({ plan }: Resolved, about: z.output<typeof metaRow>): Record<string, unknown> {
  const moments = (list: string[]) => list.map((text) => parseInstant(text) ?? Number.NaN);
  const pieces = answered(plan.pieces, plan.source, { days: moments(about.marked_days), hours: moments(about.marked_hours) });
  const readable = (list: { from: EpochUs; to: EpochUs }[]) =>
    list.map(({ from, to }) => ({ from: formatInstant(from), to: formatInstant(to) }));
  const rollup = (grain: Grain | undefined, list: typeof pieces.day) =>
    grain ? { table: grain.table, grain: grain.grain, pieces: readable(list) } : null;
  return {
    daily: rollup(plan.source.daily, pieces.day),
    hourly: rollup(plan.source.hourly, pieces.hour),
    raw: { table: "executions", pieces: readable(pieces.raw) },
  };
}

/**
 * Answers a question from one snapshot of the workspace.
 * @param now what a timeframe ends at (microseconds)
 * @throws AppError impossible for what cannot be asked
 */
export async function runQuery(db: Db, workspaceId: string, query: Query, now: EpochUs, explain = false): Promise<Answer> {
  const resolved = resolve(workspaceId, query, now, explain);
  const rows = await db.query({ sql: compile(resolved.plan), row: resultRow });
  const stats = rows.filter((row): row is StatRow => !("meta" in row));
  const about = rows.find((row): row is Extract<typeof row, { meta: unknown }> => "meta" in row)?.meta;
  if (!about) throw new Error("The query's statement gave no meta row");
  const finisher = new Finisher(query, resolved, stats);
  const { range, compared } = resolved;
  const answer = { rows: finisher.rows(), ...finisher.totals() };
  const inexact = [...finisher.inexact];
  return {
    ...answer,
    meta: {
      from: formatLocal(range.from, query.timezone),
      to: formatLocal(range.to, query.timezone),
      timezone: query.timezone,
      as_of: instant(about.as_of),
      complete_until: instant(about.complete_until),
      sources: { daily: { buckets: about.daily }, hourly: { buckets: about.hourly }, raw: { rows: about.raw } },
      exact: inexact.length === 0,
      relative_error: inexact.length === 0 ? 0 : RELATIVE_ERROR,
      ...(inexact.length > 0 && inexact.length < query.measures.length
        ? { relative_errors: Object.fromEntries(query.measures.map((name) => [name, inexact.includes(name) ? RELATIVE_ERROR : 0])) }
        : {}),
      ...(compared ? { compared: { from: formatLocal(compared.from, query.timezone), to: formatLocal(compared.to, query.timezone) } } : {}),
      ...(explain ? { plan: explained(resolved, about) } : {}),
    },
  };
}
