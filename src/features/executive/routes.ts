import type { z } from "@hono/zod-openapi";
import type { Answer } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import type { Context } from "../../context.ts";
import { queryOfParams, type WithTimezone } from "../../http/metrics-params.ts";
import { metricsAnswer, metricsRoute } from "../../http/metrics-route.ts";
import { createRouter } from "../../http/router.ts";
import { settingsOf, type WorkspaceSettings } from "../../store/workspaces.ts";
import * as descriptions from "./descriptions.ts";
import { figuresOf, moneyOf } from "./figures.ts";
import {
  type ExecutiveQuestion,
  executiveQuestion,
  explainingLink,
  kpiQuery,
  topAgentsOf,
  topAgentsQuery,
  trendQuery,
  trendsOf,
} from "./questions.ts";
import * as schema from "./schema.ts";
import { usersOf, usersQuery } from "./users.ts";

const tag = "Executive";
const permission = "view_executive_dashboard" as const;
const query = schema.executiveParams;
const router = createRouter();

function questionOf(
  ctx: Context,
  workspaceId: string,
  params: WithTimezone<z.output<typeof query>>,
): ExecutiveQuestion {
  const asked = queryOfParams(params, "30d");
  return executiveQuestion(workspaceId, asked, ctx.nowUs(), params.explain);
}

const kpisOf = (answer: Answer, question: ExecutiveQuestion) =>
  figuresOf(answer, (name) => explainingLink(question, [name]));

const costsOf = (answer: Answer, settings: WorkspaceSettings, question: ExecutiveQuestion) =>
  moneyOf(answer, settings, explainingLink(question, ["credits"]));

metricsRoute(router, {
  path: "/executive/kpis",
  tag,
  permission,
  summary: "Key figures",
  description: descriptions.EXECUTIVE_KPIS,
  query,
  response: metricsAnswer(schema.executiveKpisShape),
  load: async (ctx, workspaceId, params) => {
    const question = questionOf(ctx, workspaceId, params);
    const [settings, [answer]] = await Promise.all([
      settingsOf(ctx, workspaceId),
      runInOneSnapshot(ctx.db, [kpiQuery(question)]),
    ]);
    const data = { kpis: kpisOf(answer, question), ...costsOf(answer, settings, question) };
    return { data, meta: answer.meta };
  },
});

metricsRoute(router, {
  path: "/executive/overview",
  tag,
  permission,
  summary: "Key figures, users and the agents that ran most",
  description: descriptions.EXECUTIVE_OVERVIEW,
  query,
  response: metricsAnswer(schema.executiveOverviewShape),
  load: async (ctx, workspaceId, params) => {
    const question = questionOf(ctx, workspaceId, params);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, people] = await runInOneSnapshot(ctx.db, [
      kpiQuery(question),
      topAgentsQuery(question),
      usersQuery(question),
    ]);
    const data = {
      kpis: kpisOf(answer, question),
      users: usersOf(people, question),
      top_agents: topAgentsOf(agents, question),
      ...costsOf(answer, settings, question),
    };
    return {
      data,
      meta: combineMeta({ kpis: answer.meta, top_agents: agents.meta, users: people.meta }),
    };
  },
});

metricsRoute(router, {
  path: "/executive/trends",
  tag,
  permission,
  summary: "Days of the range and their direction",
  description: descriptions.EXECUTIVE_TRENDS,
  query,
  response: metricsAnswer(schema.executiveTrendsShape),
  load: async (ctx, workspaceId, params) => {
    const question = questionOf(ctx, workspaceId, params);
    const [answer] = await runInOneSnapshot(ctx.db, [trendQuery(question)]);
    return { data: trendsOf(answer, question), meta: answer.meta };
  },
});

metricsRoute(router, {
  path: "/executive/dashboard",
  tag,
  permission,
  summary: "Everything of the executive views, from one snapshot",
  description: descriptions.EXECUTIVE_DASHBOARD,
  query,
  response: metricsAnswer(schema.executiveDashboardShape),
  load: async (ctx, workspaceId, params) => {
    const question = questionOf(ctx, workspaceId, params);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, days, people] = await runInOneSnapshot(ctx.db, [
      kpiQuery(question),
      topAgentsQuery(question),
      trendQuery(question),
      usersQuery(question),
    ]);
    const data = {
      kpis: kpisOf(answer, question),
      users: usersOf(people, question),
      top_agents: topAgentsOf(agents, question),
      trends: trendsOf(days, question),
      ...costsOf(answer, settings, question),
    };
    return {
      data,
      meta: combineMeta({
        kpis: answer.meta,
        top_agents: agents.meta,
        trends: days.meta,
        users: people.meta,
      }),
    };
  },
});

export default router;
