import { prepareQuery } from "../../analytics/ask.ts";
import { OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES, type MeasureName } from "../../analytics/catalog/measures.ts";
import { errorGroups } from "../../analytics/errors/error-groups.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import type { AnswerRow, MeasureValues } from "../../analytics/result/rows.ts";
import { BY_HOUR_OF_WEEK, cellsOf } from "../../analytics/shapes/heatmap.ts";
import { distributionOf, latencyClasses } from "../../analytics/shapes/latency.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { countBuckets } from "../../analytics/time/range.ts";
import type { Context } from "../../context.ts";
import { checkWork } from "../../lib/budget.ts";
import { HOUR_US } from "../../lib/time.ts";
import type { NamedAgent } from "../../store/agents.ts";
import { suggest } from "./suggest.ts";

const COMPARED: MeasureName[] = [
  "success_rate",
  "failure_rate",
  "duration_avg",
  "duration_p50",
  "duration_p95",
  "credits_avg",
];
const WORKSPACE: MeasureName[] = [
  ...COMPARED,
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
];
const MODELS: MeasureName[] = [
  ...([
    "executions",
    "successes",
    "failures",
    "timeouts",
    "cancellations",
    "success_rate",
    "credits",
    "credits_avg",
  ] as const),
  ...(["tokens_in", "tokens_out"] as const),
];
const USERS: MeasureName[] = ["executions", "success_rate", "credits"];
const DAYS = ["executions", "success_rate", "duration_p95", "credits"] as const;
const TOP = 10;

const number = (value: unknown) => Number(value ?? 0);
const nullable = (value: unknown) => (value === null || value === undefined ? null : Number(value));

/** The groups of an answer as rows of one object each; all that are not named are one row with `other`. */
const groupsOf = (rows: readonly AnswerRow[]) =>
  rows.map(({ group, other, values }) => ({ ...group, ...(other ? { other } : {}), ...values }));

function againstWorkspace(agent: MeasureValues, workspace: MeasureValues) {
  return Object.fromEntries(
    COMPARED.map((name) => {
      const [own, all] = [agent[name] ?? null, workspace[name] ?? null];
      const ratio =
        own === null || all === null || Number(all) === 0
          ? null
          : (Number(own) - Number(all)) / Number(all);
      return [name, { agent: own, workspace: all, change_ratio: ratio }];
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
  // Days that the range cuts, or that are not over, would look like a fall.
  const points = days.flatMap(({ executions, complete }, place) =>
    complete ? [{ place, value: executions }] : [],
  );
  return { days, direction: { measure: "executions", ...directionOf(points) } };
}

/** All that is known of an agent in a range, from one snapshot. */
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
  const filters = [{ field: "agent", op: "eq" as const, value: agent.id }];
  const part = (query: Omit<Query, "timezone" | "from" | "to">) =>
    prepareQuery(workspaceId, { ...query, ...range, timezone }, now, explain);
  const [own, workspace, models, users, heat, daily, errors] = await runInOneSnapshot(ctx.db, [
    part({ measures: MEASURE_NAMES, filters, compare: "previous_period", sketches: true }),
    part({ measures: WORKSPACE }),
    part({
      measures: MODELS,
      filters,
      group_by: ["model"],
      order_by: [{ measure: "credits", direction: "desc" }],
    }),
    part({
      measures: USERS,
      filters: [...filters, OF_SOME_USER],
      group_by: ["user"],
      limit: TOP,
      rowsOnly: true,
    }),
    part({ measures: ["executions"], filters, ...BY_HOUR_OF_WEEK, rowsOnly: true }),
    part({ measures: [...DAYS], filters, granularity: "day", rowsOnly: true }),
    errorGroups(workspaceId, range, { agentId: agent.id, limit: 2 * TOP }),
  ] as const);
  const cells = own.totalsSketch ?? [];
  const hours = (Math.min(range.to, now) - range.from) / HOUR_US;
  const previous = Object.fromEntries(
    Object.entries(own.totalsComparison ?? {}).map(([name, { previous }]) => [name, previous]),
  ) as MeasureValues;
  const basis = {
    agent: own.totals,
    workspace: workspace.totals,
    previous,
    models: models.rows
      .filter((row) => !row.other)
      .map(({ group, values }) => ({ model: group.model as string | null, values })),
    errors: errors.groups,
  };
  return {
    data: {
      ...agent,
      performance: {
        totals: own.totals,
        runs_per_hour: hours > 0 ? number(own.totals.executions) / hours : null,
        histogram: latencyClasses(cells),
        distribution: distributionOf(cells),
      },
      resources: { models: groupsOf(models.rows), totals: models.totals },
      errors: errors.groups,
      users: { active_users: number(own.totals.active_users), top: groupsOf(users.rows) },
      usage: cellsOf(heat.rows, ({ executions }) => ({ executions: number(executions) })),
      comparison: {
        previous_period: own.totalsComparison ?? {},
        workspace: againstWorkspace(own.totals, workspace.totals),
      },
      trend: trendOf(daily.rows),
      suggestions: suggest(basis),
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
