import type { z } from "zod";
import type { Context } from "../context.ts";
import type { Db } from "../db/client.ts";
import type { EpochUs } from "../lib/time.ts";
import type { MeasureName } from "./catalog/measures.ts";
import { type PlannedQuery, planQuery } from "./plan/plan.ts";
import { type PreparedQuery, prepared, runInOneSnapshot } from "./prepared.ts";
import type { Query } from "./query.ts";
import { metaOfRows, resultRow, statsOfRows } from "./result/found-rows.ts";
import { type AnswerMeta, comparedSpan, explainSources, metaOf } from "./result/meta.ts";
import { type AnswerRow, type AnswerTotals, finishRows } from "./result/rows.ts";
import { RELATIVE_ERROR } from "./sql/sketch.ts";
import { queryStatement } from "./sql/statement.ts";

export interface Answer extends AnswerTotals {
  rows: AnswerRow[];
  /** The number of groups, where the question counts them. */
  groups?: number;
  meta: AnswerMeta;
}

/**
 * @param now the moment of asking (microseconds): a timeframe ends at it, and what ends later is
 * not over
 * @throws AppError unprocessable for what cannot be asked
 */
export function prepareQuery(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): PreparedQuery<Answer> {
  const planned = planQuery(workspaceId, query, now, explain);
  return prepared({ sql: queryStatement(planned.plan), row: resultRow }, (rows) =>
    answerOf(query, planned, rows, explain),
  );
}

/**
 * Answers a question from one snapshot of the workspace; parameters and errors as for
 * `prepareQuery`.
 */
export async function runQuery(
  db: Db,
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): Promise<Answer> {
  return (await runInOneSnapshot(db, [prepareQuery(workspaceId, query, now, explain)]))[0];
}

/** `runQuery` of a context: a timeframe ends at its clock. */
export function ask(
  ctx: Context,
  workspaceId: string,
  query: Query,
  explain = false,
): Promise<Answer> {
  return runQuery(ctx.db, workspaceId, query, ctx.nowUs(), explain);
}

/**
 * The exactness of the numbers: `relative_errors` where some measures are exact and others are not.
 */
function exactness(measures: readonly MeasureName[], inexact: readonly MeasureName[]) {
  if (inexact.length === 0) return { exact: true, relative_error: 0 };
  const errors = { exact: false, relative_error: RELATIVE_ERROR };
  if (inexact.length === measures.length) return errors;
  const each = measures.map((name) => [name, inexact.includes(name) ? RELATIVE_ERROR : 0]);
  return { ...errors, relative_errors: Object.fromEntries(each) };
}

function answerOf(
  query: Query,
  planned: PlannedQuery,
  found: z.output<typeof resultRow>[],
  explain: boolean,
): Answer {
  const about = metaOfRows(found);
  const { rows, inexact, ...totals } = finishRows(query, planned, statsOfRows(found));
  const { range, compared, now } = planned;
  return {
    rows,
    ...totals,
    ...(about.groups === undefined ? {} : { groups: about.groups }),
    meta: {
      ...metaOf(range, query.timezone, about, now),
      ...exactness(query.measures, inexact),
      ...(compared ? { compared: comparedSpan(compared, query.timezone) } : {}),
      ...(explain ? { plan: explainSources(planned, about) } : {}),
    },
  };
}
