import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import { type Filter, OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureValue } from "../../analytics/catalog/measure.ts";
import { MEASURE_NAMES, type MeasureName } from "../../analytics/catalog/measures.ts";
import { type ErrorGroup, errorGroups } from "../../analytics/errors/error-groups.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import type { AnswerRow, MeasureValues } from "../../analytics/result/rows.ts";
import { BY_HOUR_OF_WEEK, cellsOf } from "../../analytics/shapes/heatmap.ts";
import { distributionOf, latencyClasses } from "../../analytics/shapes/latency.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { countBuckets } from "../../analytics/time/range.ts";
import type { TimeRange } from "../../analytics/time/time-range.ts";
import type { Context } from "../../context.ts";
import { checkWork } from "../../lib/budget.ts";
import { type EpochUs, HOUR_US } from "../../lib/time.ts";
import type { NamedAgent } from "../../store/agents.ts";
import { agentSuggestions } from "./suggest.ts";

/** Measures of the agent that are compared with the whole workspace's. */
const COMPARED_MEASURES: MeasureName[] = [
  "success_rate",
  "failure_rate",
  "duration_avg",
  "duration_p50",
  "duration_p95",
  "credits_avg",
];
const OUTCOME_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
];
const WORKSPACE_MEASURES: MeasureName[] = [...COMPARED_MEASURES, ...OUTCOME_MEASURES];
const MODEL_MEASURES: MeasureName[] = [
  ...OUTCOME_MEASURES,
  "success_rate",
  "credits",
  "credits_avg",
  "tokens_in",
  "tokens_out",
];
const USER_MEASURES: MeasureName[] = ["executions", "success_rate", "credits"];
const DAY_MEASURES: MeasureName[] = ["executions", "success_rate", "duration_p95", "credits"];
const TOP_USERS = 10;
const TOP_ERRORS = 20;

const number = (value: unknown) => Number(value ?? 0);
const nullable = (value: unknown) => (value === null || value === undefined ? null : Number(value));

/** The groups of an answer as flat rows; the row of all groups that are not named has `other`. */
const groupsOf = (rows: readonly AnswerRow[]) =>
  rows.map(({ group, other, values }) => ({ ...group, ...(other ? { other } : {}), ...values }));

function changeRatio(own: MeasureValue, whole: MeasureValue): number | null {
  if (own === null || whole === null || Number(whole) === 0) return null;
  return (Number(own) - Number(whole)) / Number(whole);
}

function againstWorkspace(agent: MeasureValues, workspace: MeasureValues) {
  return Object.fromEntries(
    COMPARED_MEASURES.map((name) => {
      const own = agent[name] ?? null;
      const whole = workspace[name] ?? null;
      return [name, { agent: own, workspace: whole, change_ratio: changeRatio(own, whole) }];
    }),
  );
}

function trendOf(rows: readonly AnswerRow[]) {
  const days = rows.map(({ bucket = "", complete = false, values }) => ({
    bucket,
    complete,
    executions: number(values.executions),
    success_rate: nullable(values.success_rate),
    duration_p95: nullable(values.duration_p95),
    credits: String(values.credits ?? "0.000000"),
  }));
  // Days that the range cuts, or that have not ended, would look like a fall.
  const points = days.flatMap(({ executions, complete }, place) =>
    complete ? [{ place, value: executions }] : [],
  );
  return { days, direction: { measure: "executions", ...directionOf(points) } };
}

interface AgentQuestion {
  workspaceId: string;
  agentId: string;
  range: TimeRange;
  timezone: string;
  now: EpochUs;
  explain: boolean;
}

/** The statements behind the answer, for one snapshot. */
function agentParts({ workspaceId, agentId, range, timezone, now, explain }: AgentQuestion) {
  const filters: Filter[] = [{ field: "agent", op: "eq", value: agentId }];
  const part = (query: Omit<Query, "timezone" | "from" | "to">) =>
    prepareQuery(workspaceId, { ...query, ...range, timezone }, now, explain);
  return [
    part({ measures: MEASURE_NAMES, filters, compare: "previous_period", sketches: true }),
    part({ measures: WORKSPACE_MEASURES }),
    part({
      measures: MODEL_MEASURES,
      filters,
      group_by: ["model"],
      order_by: [{ measure: "credits", direction: "desc" }],
    }),
    part({
      measures: USER_MEASURES,
      filters: [...filters, OF_SOME_USER],
      group_by: ["user"],
      limit: TOP_USERS,
      rowsOnly: true,
    }),
    part({ measures: ["executions"], filters, ...BY_HOUR_OF_WEEK, rowsOnly: true }),
    part({ measures: DAY_MEASURES, filters, granularity: "day", rowsOnly: true }),
    errorGroups(workspaceId, range, { agentId, limit: TOP_ERRORS }),
  ] as const;
}

function performanceOf({ totals, totalsSketch = [] }: Answer, { range, now }: AgentQuestion) {
  const hours = (Math.min(range.to, now) - range.from) / HOUR_US;
  return {
    totals,
    runs_per_hour: hours > 0 ? number(totals.executions) / hours : null,
    histogram: latencyClasses(totalsSketch),
    distribution: distributionOf(totalsSketch),
  };
}

function suggestionsFor(
  own: Answer,
  workspace: Answer,
  models: Answer,
  errors: readonly ErrorGroup[],
) {
  const previous: MeasureValues = Object.fromEntries(
    Object.entries(own.totalsComparison ?? {}).map(([name, compared]) => [name, compared.previous]),
  );
  const named = models.rows.filter((row) => !row.other);
  return agentSuggestions({
    agent: own.totals,
    workspace: workspace.totals,
    previous,
    models: named.map(({ group, values }) => ({ model: group.model as string | null, values })),
    errors,
  });
}

/**
 * Performance, resources, errors, users, comparison, trend and suggestions of an agent, from one
 * snapshot.
 * @throws AppError unprocessable if the range has too many days
 */
export async function agentAnalytics(
  ctx: Context,
  workspaceId: string,
  agent: NamedAgent,
  base: Omit<Query, "measures">,
  explain = false,
) {
  const now = ctx.nowUs();
  const range = rangeOfQuery(base, now);
  const { timezone } = base;
  checkWork("series", countBuckets(range, "day"), "query.from");
  const question = { workspaceId, agentId: agent.id, range, timezone, now, explain };
  const answers = await runInOneSnapshot(ctx.db, agentParts(question));
  const [own, workspace, models, users, heat, daily, errors] = answers;
  const groups = errors.groups.map((group) => ({ ...group }));
  return {
    data: {
      ...agent,
      performance: performanceOf(own, question),
      resources: { models: groupsOf(models.rows), totals: models.totals },
      errors: groups,
      users: { active_users: number(own.totals.active_users), top: groupsOf(users.rows) },
      usage: cellsOf(heat.rows, ({ executions }) => ({ executions: number(executions) })),
      comparison: {
        previous_period: own.totalsComparison ?? {},
        workspace: againstWorkspace(own.totals, workspace.totals),
      },
      trend: trendOf(daily.rows),
      suggestions: suggestionsFor(own, workspace, models, errors.groups),
    },
    meta: combineMeta({
      performance: own.meta,
      workspace: workspace.meta,
      models: models.meta,
      users: users.meta,
      usage: heat.meta,
      trend: daily.meta,
    }),
  };
}
