import type { z } from "zod";
import type { Context } from "../context.ts";
import type { Db, Statement } from "../db/client.ts";
import { type EpochUs, formatInstant, parseInstant } from "../lib/time.ts";
import type { MeasureName } from "./catalog/measures.ts";
import { type Query, type Resolved, resolve } from "./plan/plan.ts";
import { answered, type Grain } from "./plan/rollup-choice.ts";
import {
  Finisher,
  type metaRow,
  type Row,
  resultRow,
  type StatRow,
  type Totals,
} from "./result/rows.ts";
import { RELATIVE_ERROR } from "./sql/sketch.ts";
import { compile } from "./sql/statement.ts";
import type { ComparedRange } from "./time/compared-range.ts";
import type { TimeRange } from "./time/time-range.ts";
import { formatLocal } from "./time/zones.ts";

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
  /** There while the range is not over: its numbers may still grow. */
  complete?: false;
  compared?: ComparedSpan;
  plan?: Record<string, unknown>;
}

export interface Answer extends Totals {
  rows: Row[];
  /** How many groups there are, where the question counts them. */
  groups?: number;
  meta: Meta;
}

/** The pieces of the range as they were answered, marks and all. */
function explained({ plan }: Resolved, about: z.output<typeof metaRow>): Record<string, unknown> {
  const moments = (list: string[]) => list.map((text) => parseInstant(text) ?? Number.NaN);
  const { daily, hourly, quarterly } = plan.source;
  const marked = {
    days: moments(about.marked_days),
    hours: moments(about.marked_hours),
    unquartered: moments(about.unquartered),
  };
  const pieces = answered(plan.pieces, plan.source, marked);
  const readable = (list: { from: EpochUs; to: EpochUs }[]) =>
    list.map(({ from, to }) => ({ from: formatInstant(from), to: formatInstant(to) }));
  const rollup = (grain: Grain | undefined, list: typeof pieces.day) =>
    grain ? { table: grain.table, grain: grain.grain, pieces: readable(list) } : null;
  return {
    daily: rollup(daily, pieces.day),
    hourly: rollup(hourly, pieces.hour),
    quarterly: rollup(quarterly, pieces.quarter),
    raw: { table: "executions", pieces: readable(pieces.raw) },
  };
}

/** A question that is ready to be sent, and what makes its rows the answer. */
export interface Prepared<T> {
  statement: Statement<unknown>;
  finish(rows: unknown[]): T;
}

/** A hand-written statement as a part of a larger question. */
export function statementOf<R, T>(statement: Statement<R>, finish: (rows: R[]) => T): Prepared<T> {
  return { statement, finish: (rows) => finish(rows as R[]) };
}

type Results<P extends readonly Prepared<unknown>[]> = {
  [K in keyof P]: P[K] extends Prepared<infer T> ? T : never;
};

/** Answers several questions from one snapshot, in one round trip: their numbers agree with each other. */
export async function together<const P extends readonly Prepared<unknown>[]>(
  db: Db,
  parts: P,
): Promise<Results<P>> {
  const statements = parts.map((part) => part.statement);
  const [only] = statements;
  const results =
    only && statements.length === 1
      ? [await db.query(only)]
      : await db.transaction(statements, { isolation: "RepeatableRead", readOnly: true });
  return parts.map((part, index) => part.finish(results[index] ?? [])) as Results<P>;
}

/**
 * @param now the moment of asking (microseconds): a timeframe ends at it, and what ends later is not over
 * @throws AppError impossible for what cannot be asked
 */
export function prepare(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): Prepared<Answer> {
  const resolved = resolve(workspaceId, query, now, explain);
  return statementOf({ sql: compile(resolved.plan), row: resultRow }, (rows) =>
    answerOf(query, resolved, rows, explain),
  );
}

/** Answers a question from one snapshot of the workspace; parameters and errors as for `prepare`. */
export async function runQuery(
  db: Db,
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): Promise<Answer> {
  return (await together(db, [prepare(workspaceId, query, now, explain)]))[0];
}

/** `runQuery` of a context: a timeframe ends at its clock. */
export function ask(
  ctx: Context,
  workspaceId: string,
  query: Query,
  explain = false,
): Promise<Answer> {
  return runQuery(ctx.db, workspaceId, query, ctx.now() * 1000, explain);
}

const instant = (value: string) => formatInstant(parseInstant(value) ?? 0);

/** What a range was compared with. `elapsed`: it is not over, and this is the same part of the period before. */
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
 * `meta` of a statement that says of itself what `metaRow` has; exact unless somebody knows otherwise.
 * @param now the moment of asking; default: that of the snapshot
 */
export function metaOf(
  range: TimeRange,
  timezone: string,
  about: z.output<typeof metaRow>,
  now: EpochUs = parseInstant(about.as_of) ?? 0,
): Meta {
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
  meta: Meta,
  explain: boolean | undefined,
  tables: { daily?: string; raw: string[] },
): Meta {
  if (!explain) return meta;
  const daily = tables.daily ? { table: tables.daily, buckets: meta.sources.daily.buckets } : null;
  return {
    ...meta,
    plan: { daily, hourly: null, raw: { tables: tables.raw, rows: meta.sources.raw.rows } },
  };
}

/** One `meta` for an answer of several parts of one snapshot: sources add up, the plan has a part each. The range is the first's. */
export function metaTogether(parts: Record<string, Meta>): Meta {
  const metas = Object.values(parts);
  const [first] = metas;
  if (!first) throw new Error("An answer has parts");
  const sum = (of: (meta: Meta) => number) => metas.reduce((total, meta) => total + of(meta), 0);
  const plans = Object.entries(parts).filter(([, meta]) => meta.plan);
  const { compared: _, relative_errors: __, ...rest } = first;
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
    ...(first.compared ? { compared: first.compared } : {}),
    ...(plans.length > 0
      ? { plan: Object.fromEntries(plans.map(([name, meta]) => [name, meta.plan])) }
      : {}),
  };
}

function answerOf(
  query: Query,
  resolved: Resolved,
  rows: z.output<typeof resultRow>[],
  explain: boolean,
): Answer {
  const stats = rows.filter((row): row is StatRow => !("meta" in row));
  const about = rows.find(
    (row): row is Extract<typeof row, { meta: unknown }> => "meta" in row,
  )?.meta;
  if (!about) throw new Error("The query's statement gave no meta row");
  const finisher = new Finisher(query, resolved, stats);
  const { compared } = resolved;
  const answer = { rows: finisher.rows(), ...finisher.totals() };
  const inexact = [...finisher.inexact];
  return {
    ...answer,
    ...(about.groups === undefined ? {} : { groups: about.groups }),
    meta: {
      ...metaOf(resolved.range, query.timezone, about, resolved.now),
      exact: inexact.length === 0,
      relative_error: inexact.length === 0 ? 0 : RELATIVE_ERROR,
      ...(inexact.length > 0 && inexact.length < query.measures.length
        ? {
            relative_errors: Object.fromEntries(
              query.measures.map((name) => [name, inexact.includes(name) ? RELATIVE_ERROR : 0]),
            ),
          }
        : {}),
      ...(compared ? { compared: comparedSpan(compared, query.timezone) } : {}),
      ...(explain ? { plan: explained(resolved, about) } : {}),
    },
  };
}
