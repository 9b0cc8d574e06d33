import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import { type Filter, OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { wholeBuckets } from "../../analytics/time/range.ts";
import { userEngagement } from "../../analytics/users/engagement.ts";
import type { Context } from "../../context.ts";
import { divideRounded, fromMicros, toMicros } from "../../lib/decimal.ts";
import { DAY_US } from "../../lib/time.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { healthOf } from "./health.ts";
import { executionEdges } from "./queries.ts";

type BaseQuery = Omit<Query, "measures">;
const TOTAL_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
  "running",
  "success_rate",
  "duration_avg",
  "duration_p95",
  "credits",
  "tokens_in",
  "tokens_out",
  "active_users",
  "active_agents",
];
const GROUP_MEASURES: MeasureName[] = ["executions", "success_rate", "duration_avg", "credits"];
const TOP_GROUPS = 10;
/** Executions from which on a member's engagement is high, and medium. */
export const ENGAGEMENT_EXECUTIONS = { high: 50, medium: 20 };

export function engagementOf(executions: number): "high" | "medium" | "low" {
  if (executions >= ENGAGEMENT_EXECUTIONS.high) return "high";
  return executions >= ENGAGEMENT_EXECUTIONS.medium ? "medium" : "low";
}

/** The question with its range fixed, and the parts that overview and analytics share. */
function commonParts(ctx: Context, workspaceId: string, base: BaseQuery, explain: boolean) {
  const now = ctx.nowUs();
  const range = rangeOfQuery(base, now);
  const { timeframe: _timeframe, ...rest } = base;
  const fixed = { ...rest, ...range };
  const passed = { from: range.from, to: Math.max(range.from + 1, Math.min(range.to, now)) };
  const days = wholeBuckets(passed, "day", base.timezone);
  const part = (query: Partial<Query> & Pick<Query, "measures">) =>
    prepareQuery(workspaceId, { ...fixed, ...query }, now, explain);
  const parts = [
    part({ measures: TOTAL_MEASURES, compare: "previous_period" }),
    part({ measures: ["credits"], group_by: ["status"], rowsOnly: true }),
    userEngagement(workspaceId, days, base.timezone),
  ] as const;
  return { fixed, now, days: days.length, part, parts };
}

function creditsOf(statuses: Answer): { successful: string; ended: string } {
  const of = (keep: (status: string) => boolean) =>
    fromMicros(
      statuses.rows
        .filter((row) => keep(String(row.group.status)))
        .reduce((sum, row) => sum + toMicros(String(row.values.credits)), 0n),
    );
  return {
    successful: of((status) => status === "success"),
    ended: of((status) => status !== "running"),
  };
}

/** The answer of `GET /workspaces/{id}`. */
export async function workspaceOverview(
  ctx: Context,
  workspaceId: string,
  base: BaseQuery,
  explain = false,
) {
  const { parts, days } = commonParts(ctx, workspaceId, base, explain);
  const [settings, edges, [totals, statuses, users]] = await Promise.all([
    settingsOf(ctx, workspaceId),
    executionEdges(ctx, workspaceId),
    runInOneSnapshot(ctx.db, parts),
  ]);
  const data = {
    id: workspaceId,
    ...settings,
    health: healthOf(totals.totals, users, days, creditsOf(statuses)),
    totals: totals.totals,
    change: totals.totalsComparison ?? {},
    users: { active: users.users, recent: users.activeLast7Days, regular: users.activeOn4Days },
    ...edges,
  };
  return {
    data,
    meta: combineMeta({ totals: totals.meta, statuses: statuses.meta, users: users.meta }),
  };
}

const flatRows = (answer: Answer, field: "agent" | "user") =>
  answer.rows.map((row) => ({ id: String(row.group[field]), ...row.values }));

/** @param passed microseconds of the range that have passed; at least a day is counted */
function consumptionOf(credits: string, daily: Answer, passed: number) {
  const counted = BigInt(Math.max(DAY_US, passed));
  return {
    credits,
    credits_per_day: fromMicros(divideRounded(toMicros(credits) * BigInt(DAY_US), counted)),
    days: daily.rows.map(({ bucket = "", complete = false, values }) => ({
      bucket,
      complete,
      ...values,
    })),
  };
}

/** The answer of `GET /workspaces/{id}/analytics`. */
export async function workspaceAnalytics(
  ctx: Context,
  workspaceId: string,
  base: BaseQuery,
  explain = false,
) {
  const { fixed, now, parts, part, days } = commonParts(ctx, workspaceId, base, explain);
  const top = (field: "agent" | "user", more: Filter[] = []) =>
    part({
      measures: GROUP_MEASURES,
      filters: [...(fixed.filters ?? []), ...more],
      group_by: [field],
      limit: TOP_GROUPS,
      rowsOnly: true,
    });
  const perDay: MeasureName[] = ["executions", "credits", "active_users"];
  const [totals, statuses, users, members, agents, daily] = await runInOneSnapshot(ctx.db, [
    ...parts,
    top("user", [OF_SOME_USER]),
    top("agent"),
    part({ measures: perDay, granularity: "day", rowsOnly: true }),
  ] as const);
  const data = {
    id: workspaceId,
    health: healthOf(totals.totals, users, days, creditsOf(statuses)),
    totals: totals.totals,
    change: totals.totalsComparison ?? {},
    members: {
      active: users.users,
      recent: users.activeLast7Days,
      regular: users.activeOn4Days,
      top: flatRows(members, "user").map((row) => ({
        ...row,
        engagement: engagementOf(Number(row.executions)),
      })),
    },
    agents: {
      active: Number(totals.totals.active_agents),
      top: flatRows(agents, "agent"),
    },
    consumption: consumptionOf(
      String(totals.totals.credits),
      daily,
      Math.min(fixed.to, now) - fixed.from,
    ),
  };
  const metas = {
    totals: totals.meta,
    statuses: statuses.meta,
    users: users.meta,
    members: members.meta,
    agents: agents.meta,
    consumption: daily.meta,
  };
  return { data, meta: combineMeta(metas) };
}

/** Totals of several workspaces: each is read within its own scope, all in one snapshot. */
export async function workspaceTotals(
  ctx: Context,
  ids: readonly string[],
  base: BaseQuery,
  explain = false,
) {
  const now = ctx.nowUs();
  const { timeframe: _timeframe, ...rest } = base;
  const measures = GROUP_MEASURES.concat("active_users", "active_agents");
  const query = { ...rest, ...rangeOfQuery(base, now), measures };
  const answers = await runInOneSnapshot(
    ctx.db,
    ids.map((id) => prepareQuery(id, query, now, explain)),
  );
  return ids.map((id, index) => ({
    id,
    totals: answers[index]?.totals ?? {},
    meta: answers[index]?.meta,
  }));
}
