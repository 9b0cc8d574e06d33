import { type EpochUs, formatInstant, parseInstant } from "../../lib/time.ts";
import type { MeasureName } from "../catalog/measures.ts";
import type { PlannedQuery } from "../plan/plan.ts";
import type { RollupGrain } from "../rollups/definition.ts";
import type { ComparedRange } from "../time/compared-range.ts";
import type { TimeRange } from "../time/time-range.ts";
import { formatLocal } from "../time/zones.ts";
import type { MetaRow } from "./meta-row.ts";

export interface AnswerMeta {
  from: string;
  to: string;
  timezone: string;
  as_of: string;
  complete_until: string;
  sources: { daily: { buckets: number }; hourly: { buckets: number }; raw: { rows: number } };
  exact: boolean;
  relative_error: number;
  relative_errors?: Partial<Record<MeasureName, number>>;
  /** Present until the range has ended: its numbers may still grow. */
  complete?: false;
  compared?: ComparedSpan;
  plan?: Record<string, unknown>;
}

/** The pieces of the range by the source that answered them, with marks taken into account. */
export function explainSources({ plan }: PlannedQuery, about: MetaRow): Record<string, unknown> {
  const { daily, hourly, minutely, quarterly } = plan.source;
  const readable = (list: [string, string][] = []) =>
    list.map(([from, to]) => ({ from: instant(from), to: instant(to) }));
  const rollup = (grain: RollupGrain | undefined, list: [string, string][] | undefined) =>
    grain ? { table: grain.table, grain: grain.grain, pieces: readable(list) } : null;
  const { day, hour, minute, quarter, raw } = about.pieces;
  return {
    daily: rollup(daily, day),
    hourly: rollup(hourly, hour),
    minutely: rollup(minutely, minute),
    quarterly: rollup(quarterly, quarter),
    raw: { table: "executions", pieces: readable(raw) },
  };
}

const instant = (value: string) => formatInstant(parseInstant(value) ?? 0);

/**
 * The range of a comparison. `elapsed`: it is not over, and this is the same part of the
 * period before.
 */
export interface ComparedSpan {
  from: string;
  to: string;
  elapsed?: true;
}

export const comparedSpan = (
  { from, to, elapsed }: ComparedRange,
  timezone: string,
): ComparedSpan => ({
  from: formatLocal(from, timezone),
  to: formatLocal(to, timezone),
  ...(elapsed ? { elapsed } : {}),
});

/**
 * `meta` of a statement that says of itself what `metaRow` has; exact unless somebody knows
 * otherwise.
 * @param now the moment of asking; default: that of the snapshot
 */
export function metaOf(
  range: TimeRange,
  timezone: string,
  about: MetaRow,
  now: EpochUs = parseInstant(about.as_of) ?? 0,
): AnswerMeta {
  return {
    from: formatLocal(range.from, timezone),
    to: formatLocal(range.to, timezone),
    timezone,
    ...(range.to > now ? { complete: false } : {}),
    as_of: instant(about.as_of),
    complete_until: instant(about.complete_until),
    sources: {
      daily: { buckets: about.daily },
      hourly: { buckets: about.hourly },
      raw: { rows: about.raw },
    },
    exact: true,
    relative_error: 0,
  };
}

/** `meta` with the tables that answered, for a statement that has no pieces to show. */
export function withTables(
  meta: AnswerMeta,
  explain: boolean | undefined,
  tables: { daily?: string; raw: string[] },
): AnswerMeta {
  if (!explain) return meta;
  const daily = tables.daily ? { table: tables.daily, buckets: meta.sources.daily.buckets } : null;
  return {
    ...meta,
    plan: { daily, hourly: null, raw: { tables: tables.raw, rows: meta.sources.raw.rows } },
  };
}

/**
 * One `meta` for an answer of several parts of one snapshot: sources add up, the plan has a part
 * each. The range is the first's.
 */
export function combineMeta(parts: Record<string, AnswerMeta>): AnswerMeta {
  const metas = Object.values(parts);
  const [first] = metas;
  if (!first) throw new Error("An answer has parts");
  const sum = (of: (meta: AnswerMeta) => number) =>
    metas.reduce((total, meta) => total + of(meta), 0);
  const plans = Object.entries(parts).filter(([, meta]) => meta.plan);
  const { compared, relative_errors: _, ...rest } = first;
  return {
    ...rest,
    complete_until: metas.map((meta) => meta.complete_until).sort()[0] ?? first.complete_until,
    sources: {
      daily: { buckets: sum((meta) => meta.sources.daily.buckets) },
      hourly: { buckets: sum((meta) => meta.sources.hourly.buckets) },
      raw: { rows: sum((meta) => meta.sources.raw.rows) },
    },
    exact: metas.every((meta) => meta.exact),
    relative_error: Math.max(...metas.map((meta) => meta.relative_error)),
    ...(compared ? { compared } : {}),
    ...(plans.length > 0
      ? { plan: Object.fromEntries(plans.map(([name, meta]) => [name, meta.plan])) }
      : {}),
  };
}
