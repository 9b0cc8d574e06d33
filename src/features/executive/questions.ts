import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { countBuckets } from "../../analytics/time/range.ts";
import { checkWork } from "../../lib/budget.ts";
import type { EpochUs } from "../../lib/time.ts";
import { explainingQuery, KPI_MEASURES } from "./figures.ts";

const TREND_MEASURES: MeasureName[] = [
  "executions",
  "success_rate",
  "duration_p95",
  "credits",
  "errors",
];
const TOP_MEASURES: MeasureName[] = ["executions", "success_rate", "duration_avg", "credits"];
const TOP_AGENTS = 5;

/** A request with its range fixed, so that all parts of the answer have one clock. */
export interface ExecutiveQuestion {
  workspaceId: string;
  base: Omit<Query, "measures" | "timeframe"> & { from: EpochUs; to: EpochUs };
  now: EpochUs;
  explain: boolean | undefined;
}

export function executiveQuestion(
  workspaceId: string,
  asked: Omit<Query, "measures">,
  now: EpochUs,
  explain: boolean | undefined,
): ExecutiveQuestion {
  const { timeframe: _timeframe, ...rest } = asked;
  return { workspaceId, base: { ...rest, ...rangeOfQuery(asked, now) }, now, explain };
}

/** The link to the question whose answer these measures are. */
export const explainingLink = (
  { workspaceId, base }: ExecutiveQuestion,
  names: readonly MeasureName[],
) => explainingQuery(workspaceId, names, base, base.timezone);

const seriesLink = (question: ExecutiveQuestion) =>
  explainingLink(question, TREND_MEASURES)
    .replace("/comparison?", "/series?")
    .replace("&compare=previous_period", "");

export const usersLink = (question: ExecutiveQuestion) =>
  explainingLink(question, [])
    .replace("/metrics/comparison?", "/users/activity?")
    .replace("measures=&", "")
    .replace("&compare=previous_period", "");

export function kpiQuery({ workspaceId, base, now, explain }: ExecutiveQuestion) {
  const query: Query = { ...base, measures: KPI_MEASURES, compare: "previous_period" };
  return prepareQuery(workspaceId, query, now, explain);
}

export function topAgentsQuery({ workspaceId, base, now, explain }: ExecutiveQuestion) {
  const query: Query = {
    ...base,
    measures: TOP_MEASURES,
    group_by: ["agent"],
    limit: TOP_AGENTS,
    compare: "previous_period",
    rowsOnly: true,
  };
  return prepareQuery(workspaceId, query, now, explain);
}

/** @throws AppError unprocessable if the range has too many days */
export function trendQuery({ workspaceId, base, now, explain }: ExecutiveQuestion) {
  checkWork("series", countBuckets(base, "day"), "query.from");
  const query: Query = { ...base, measures: TREND_MEASURES, granularity: "day", rowsOnly: true };
  return prepareQuery(workspaceId, query, now, explain);
}

export const topAgentsOf = ({ rows }: Answer, question: ExecutiveQuestion) =>
  rows.map(({ group, values, comparison = {} }) => {
    const agent = String(group.agent);
    const link = explainingLink(question, TOP_MEASURES);
    const query = `${link}&agent_id=${encodeURIComponent(agent)}`;
    return { agent, ...values, comparison, query };
  });

function directionIn(rows: Answer["rows"], name: MeasureName) {
  const points = rows.flatMap(({ values }, place) => {
    const value = values[name] ?? null;
    return value === null ? [] : [{ place, value: Number(value) }];
  });
  return { ...directionOf(points) };
}

export function trendsOf({ rows }: Answer, question: ExecutiveQuestion) {
  // Days that the range cuts, or that have not ended, are shown and not tested.
  const tested = rows.filter(({ complete }) => complete);
  const directions = Object.fromEntries(
    TREND_MEASURES.map((name) => [name, directionIn(tested, name)]),
  );
  const days = rows.map(({ bucket = "", complete = false, values }) => ({
    bucket,
    complete,
    ...values,
  }));
  return { days, directions, query: seriesLink(question) };
}
