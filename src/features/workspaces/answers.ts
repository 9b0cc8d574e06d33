import { sql } from "drizzle-orm";
import { z } from "zod";
import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import { OF_SOME_USER } from "../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { wholeBuckets } from "../../analytics/time/range.ts";
import { userEngagement } from "../../analytics/users/engagement.ts";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";
import { divideRounded, fromMicros, toMicros } from "../../lib/decimal.ts";
import { DAY_US } from "../../lib/time.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { healthOf } from "./health.ts";

type Base = Omit<Query, "measures">;
const TOTALS: MeasureName[] = [
  ...([
    "executions",
    "successes",
    "failures",
    "timeouts",
    "cancellations",
    "running",
    "success_rate",
    "duration_avg",
    "duration_p95",
  ] as const),
  ...(["credits", "tokens_in", "tokens_out", "active_users", "active_agents"] as const),
];
const GROUP: MeasureName[] = ["executions", "success_rate", "duration_avg", "credits"];
const TOP = 10;
/** Executions that make a member's engagement high and medium. */
export const ENGAGEMENT_EXECUTIONS = { high: 50, medium: 20 };

export function engagementOf(executions: number): "high" | "medium" | "low" {
  return executions >= ENGAGEMENT_EXECUTIONS.high
    ? "high"
    : executions >= ENGAGEMENT_EXECUTIONS.medium
      ? "medium"
      : "low";
}

async function edgesOf(ctx: Context, workspaceId: string) {
  const edge = (direction: string) =>
    sql`(select e.started_at from executions e where ${inWorkspace(workspaceId, "e")} order by e.started_at ${sql.raw(direction)} limit 1)`;
  const found = await ctx.db.maybe({
    sql: sql`select ${edge("asc")} as first, ${edge("desc")} as last`,
    row: z.object({ first: z.string().nullable(), last: z.string().nullable() }),
  });
  return { first_execution_at: found?.first ?? null, last_execution_at: found?.last ?? null };
}

/** The parts that overview and analytics share. */
function commonParts(ctx: Context, workspaceId: string, base: Base, explain: boolean) {
  const now = ctx.nowUs();
  const range = rangeOfQuery(base, now);
  const { timeframe: _, ...rest } = base;
  const fixed = { ...rest, ...range };
  const days = wholeBuckets(
    { from: range.from, to: Math.max(range.from + 1, Math.min(range.to, now)) },
    "day",
    base.timezone,
  );
  return {
    fixed,
    now,
    days: days.length,
    parts: [
      prepareQuery(
        workspaceId,
        { ...fixed, measures: TOTALS, compare: "previous_period" },
        now,
        explain,
      ),
      prepareQuery(
        workspaceId,
        { ...fixed, measures: ["credits"], group_by: ["status"], rowsOnly: true },
        now,
        explain,
      ),
      userEngagement(workspaceId, days, base.timezone),
    ] as const,
  };
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

export async function workspaceOverview(
  ctx: Context,
  workspaceId: string,
  base: Base,
  explain = false,
) {
  const { parts, days } = commonParts(ctx, workspaceId, base, explain);
  const [settings, edges, [totals, statuses, users]] = await Promise.all([
    settingsOf(ctx, workspaceId),
    edgesOf(ctx, workspaceId),
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

export async function workspaceAnalytics(
  ctx: Context,
  workspaceId: string,
  base: Base,
  explain = false,
) {
  const { fixed, now, parts, days } = commonParts(ctx, workspaceId, base, explain);
  const top = (by: "agent" | "user") =>
    prepareQuery(
      workspaceId,
      {
        ...fixed,
        filters: [...(fixed.filters ?? []), ...(by === "user" ? [OF_SOME_USER] : [])],
        measures: GROUP,
        group_by: [by],
        limit: TOP,
        rowsOnly: true,
      },
      now,
      explain,
    );
  const [totals, statuses, users, members, agents, daily] = await runInOneSnapshot(ctx.db, [
    ...parts,
    top("user"),
    top("agent"),
    prepareQuery(
      workspaceId,
      {
        ...fixed,
        measures: ["executions", "credits", "active_users"],
        granularity: "day",
        rowsOnly: true,
      },
      now,
      explain,
    ),
  ] as const);
  const rows = (answer: Answer, by: string) =>
    answer.rows.map((row) => ({ id: String(row.group[by]), ...row.values }));
  const credits = String(totals.totals.credits);
  // Less than a day says nothing of what a day takes.
  const passed = Math.max(DAY_US, Math.min(fixed.to, now) - fixed.from);
  const data = {
    id: workspaceId,
    health: healthOf(totals.totals, users, days, creditsOf(statuses)),
    totals: totals.totals,
    change: totals.totalsComparison ?? {},
    members: {
      active: users.users,
      recent: users.activeLast7Days,
      regular: users.activeOn4Days,
      top: rows(members, "user").map((row) => ({
        ...row,
        engagement: engagementOf(Number(row.executions)),
      })),
    },
    agents: { active: Number(totals.totals.active_agents), top: rows(agents, "agent") },
    consumption: {
      credits,
      credits_per_day: fromMicros(
        divideRounded(toMicros(credits) * BigInt(DAY_US), BigInt(passed)),
      ),
      days: daily.rows.map(({ bucket = "", complete = false, values }) => ({
        ...{ bucket, complete },
        ...values,
      })),
    },
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

/** Workspaces of a token with their totals, each asked within its own scope, all in one snapshot. */
export async function workspaceTotals(
  ctx: Context,
  ids: readonly string[],
  base: Base,
  explain = false,
) {
  const now = ctx.nowUs();
  const { timeframe: _, ...rest } = base;
  const fixed = { ...rest, ...rangeOfQuery(base, now) };
  const answers = await runInOneSnapshot(
    ctx.db,
    ids.map((id) =>
      prepareQuery(
        id,
        { ...fixed, measures: GROUP.concat("active_users", "active_agents") },
        now,
        explain,
      ),
    ),
  );
  return ids.map((id, index) => ({
    id,
    totals: answers[index]?.totals ?? {},
    meta: answers[index]?.meta,
  }));
}
