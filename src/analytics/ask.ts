import type { z } from "zod";
import type { Context } from "../context.ts";
import type { Db } from "../db/client.ts";
import type { EpochUs } from "../lib/time.ts";
import { type PlannedQuery, planQuery } from "./plan/plan.ts";
import { type PreparedQuery, prepared, runInOneSnapshot } from "./prepared.ts";
import type { Query } from "./query.ts";
import { type AnswerMeta, comparedSpan, explainSources, metaOf } from "./result/meta.ts";
import {
  type AnswerRow,
  type AnswerTotals,
  Finisher,
  resultRow,
  type StatRow,
} from "./result/rows.ts";
import { RELATIVE_ERROR } from "./sql/sketch.ts";
import { queryStatement } from "./sql/statement.ts";

export interface Answer extends AnswerTotals {
  rows: AnswerRow[];
  /** How many groups there are, where the question counts them. */
  groups?: number;
  meta: AnswerMeta;
}

/**
 * @param now the moment of asking (microseconds): a timeframe ends at it, and what ends later is not over
 * @throws AppError unprocessable for what cannot be asked
 */
export function prepareQuery(
  workspaceId: string,
  query: Query,
  now: EpochUs,
  explain = false,
): PreparedQuery<Answer> {
  const resolved = planQuery(workspaceId, query, now, explain);
  return prepared({ sql: queryStatement(resolved.plan), row: resultRow }, (rows) =>
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
  return (await runInOneSnapshot(db, [prepareQuery(workspaceId, query, now, explain)]))[0];
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

function answerOf(
  query: Query,
  resolved: PlannedQuery,
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
      ...(explain ? { plan: explainSources(resolved, about) } : {}),
    },
  };
}
