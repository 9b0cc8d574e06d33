import { z } from "@hono/zod-openapi";
import { lifecycle, MONTH_DAYS } from "../../analytics/lifecycle.ts";
import { directionOf } from "../../analytics/math/direction.ts";
import type { MeasureName } from "../../analytics/measures.ts";
import { type Query, rangeOf } from "../../analytics/plan.ts";
import { type Answer, metaTogether, prepare, together } from "../../analytics/query.ts";
import { bucketsOf, isWhole, wholeBuckets } from "../../analytics/range.ts";
import { settingsOf } from "../../analytics/settings.ts";
import type { Context } from "../../context.ts";
import { rangedQuery, span, value, values } from "../../http/numbers.ts";
import { createRouter } from "../../http/router.ts";
import { view } from "../../http/view.ts";
import { explainingQuery, figuresOf, KPIS, moneyOf } from "./figures.ts";

const tag = "Executive";
const permission = "view_executive_dashboard" as const;
const router = createRouter();
const TREND: MeasureName[] = ["executions", "success_rate", "duration_p95", "credits", "errors"];
const TOP: MeasureName[] = ["executions", "success_rate", "duration_avg", "credits"];
const TOP_AGENTS = 5;

const ratio = z.number().nullable();
const figure = z
  .object({
    value,
    previous: value,
    change: value,
    change_ratio: ratio,
    direction: z.enum(["up", "down", "flat"]).nullable(),
    good: z.enum(["up", "down"]).nullable(),
    query: z.string(),
  })
  .openapi("Figure");
const money = z.object({ amount: z.string().nullable(), currency: z.string().nullable(), reason: z.string().nullable() });
const kpis = z.record(z.string(), figure);
const users = z.object({
  day: z.string().nullable(),
  dau: z.int().nullable(),
  wau: z.int().nullable(),
  mau: z.int().nullable(),
  stickiness: ratio,
  new_users: z.int(),
  resurrected_users: z.int(),
  dormant_users: z.int(),
  query: z.string(),
});
const top = z.array(z.looseObject({ agent: z.string() }));
const trends = z.object({
  days: z.array(values),
  directions: z.record(z.string(), z.looseObject({ trend: z.enum(["up", "down", "none"]) })),
  query: z.string(),
});
const params = z.strictObject(span);
type Params = z.output<typeof params>;

interface Parts {
  base: Omit<Query, "measures" | "timeframe"> & { from: number; to: number };
  now: number;
  workspaceId: string;
}

function partsOf(ctx: Context, workspaceId: string, query: Params): Parts {
  const now = ctx.now() * 1000;
  const { timeframe: _, ...rest } = rangedQuery(query, "30d");
  return { base: { ...rest, ...rangeOf(rangedQuery(query, "30d"), now) }, now, workspaceId };
}

const link = ({ workspaceId, base }: Parts, names: readonly string[]) => explainingQuery(workspaceId, names, base, base.timezone);
const seriesLink = (parts: Parts) => link(parts, TREND).replace("/comparison?", "/series?").replace("&compare=previous_period", "");
const usersLink = (parts: Parts) =>
  link(parts, []).replace("/metrics/comparison?", "/users/activity?").replace("measures=&", "").replace("&compare=previous_period", "");

const kpiQuery = (parts: Parts, explain?: boolean) =>
  prepare(parts.workspaceId, { ...parts.base, measures: KPIS, compare: "previous_period" }, parts.now, explain);
const topQuery = (parts: Parts, explain?: boolean) =>
  prepare(parts.workspaceId, { ...parts.base, measures: TOP, group_by: ["agent"], limit: TOP_AGENTS }, parts.now, explain);
const trendQuery = (parts: Parts, explain?: boolean) =>
  prepare(parts.workspaceId, { ...parts.base, measures: TREND, granularity: "day" }, parts.now, explain);
const usersQuery = ({ workspaceId, base }: Parts) =>
  lifecycle(workspaceId, wholeBuckets(base, "day", base.timezone, MONTH_DAYS), base.timezone);

const topOf = ({ rows }: Answer) => rows.filter((row) => !row.other).map((row) => ({ agent: row.group.agent, ...row.values }));

function usersOf({ days }: { days: ReturnType<ReturnType<typeof lifecycle>["finish"]>["days"] }, parts: Parts) {
  const begun = wholeBuckets(parts.base, "day", parts.base.timezone).filter((day) => day.from <= parts.now).length;
  const latest = days[begun - 1];
  const sum = (name: "new" | "resurrected" | "dormant") => days.slice(0, begun).reduce((all, day) => all + day[name], 0);
  return {
    day: latest?.day ?? null,
    dau: latest?.dau ?? null,
    wau: latest?.wau ?? null,
    mau: latest?.mau ?? null,
    stickiness: latest?.stickiness ?? null,
    new_users: sum("new"),
    resurrected_users: sum("resurrected"),
    dormant_users: sum("dormant"),
    query: usersLink(parts),
  };
}

function trendsOf({ rows }: Answer, parts: Parts) {
  const buckets = bucketsOf(parts.base, "day", parts.base.timezone);
  // Days that the range cuts, or that are not over, are shown and not judged.
  const judged = rows.filter((_, index) => {
    const bucket = buckets[index];
    return bucket !== undefined && bucket.to <= parts.now && isWhole(bucket, "day", parts.base.timezone);
  });
  const directions = Object.fromEntries(
    TREND.map((name) => {
      const points = judged.flatMap(({ values: of }, place) =>
        of[name] === null || of[name] === undefined ? [] : [{ place, value: Number(of[name]) }],
      );
      return [name, directionOf(points)];
    }),
  );
  return { days: rows.map((row) => ({ bucket: row.bucket ?? "", ...row.values })), directions, query: seriesLink(parts) };
}

const FIGURES =
  "Each figure has its value, that of the period before (as many whole local days before a range of whole local days), the change, and `query`: the question whose answer it is, with its plan. Default 30d.";
const MONEY = "cost = credits x credit_price; null, with the reason, without a price. Revenue is not known and is null.";

view(router, {
  path: "/executive/kpis",
  tag,
  permission,
  summary: "Key figures",
  description: `${FIGURES} ${MONEY}`,
  query: params,
  data: z.object({ kpis, cost: money, revenue: money }).openapi("ExecutiveKpis"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const [settings, [answer]] = await Promise.all([settingsOf(ctx, workspaceId), together(ctx.db, [kpiQuery(parts, query.explain)])]);
    return { data: { kpis: figuresOf(answer, (name) => link(parts, [name])), ...moneyOf(answer.totals, settings) }, meta: answer.meta };
  },
});

view(router, {
  path: "/executive/overview",
  tag,
  permission,
  summary: "Key figures, users and the agents that ran most",
  description: `${FIGURES} users: of the last day of the range that has begun; new, resurrected and dormant add up its days (see /users/activity). ${MONEY}`,
  query: params,
  data: z.object({ kpis, users, top_agents: top, cost: money, revenue: money }).openapi("ExecutiveOverview"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, people] = await together(ctx.db, [
      kpiQuery(parts, query.explain),
      topQuery(parts, query.explain),
      usersQuery(parts),
    ]);
    const data = {
      kpis: figuresOf(answer, (name) => link(parts, [name])),
      users: usersOf(people, parts),
      top_agents: topOf(agents),
      ...moneyOf(answer.totals, settings),
    };
    return { data, meta: metaTogether({ kpis: answer.meta, top_agents: agents.meta, users: people.meta }) };
  },
});

view(router, {
  path: "/executive/trends",
  tag,
  permission,
  summary: "Days of the range and their direction",
  description: "directions: Mann-Kendall and Theil-Sen over the whole local days that are over. Default 30d.",
  query: params,
  data: trends.openapi("ExecutiveTrends"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const [answer] = await together(ctx.db, [trendQuery(parts, query.explain)]);
    return { data: trendsOf(answer, parts), meta: answer.meta };
  },
});

view(router, {
  path: "/executive/dashboard",
  tag,
  permission,
  summary: "Everything of the executive views, from one snapshot",
  description: `${FIGURES} ${MONEY}`,
  query: params,
  data: z.object({ kpis, users, top_agents: top, trends, cost: money, revenue: money }).openapi("ExecutiveDashboard"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, days, people] = await together(ctx.db, [
      kpiQuery(parts, query.explain),
      topQuery(parts, query.explain),
      trendQuery(parts, query.explain),
      usersQuery(parts),
    ]);
    const data = {
      kpis: figuresOf(answer, (name) => link(parts, [name])),
      users: usersOf(people, parts),
      top_agents: topOf(agents),
      trends: trendsOf(days, parts),
      ...moneyOf(answer.totals, settings),
    };
    return { data, meta: metaTogether({ kpis: answer.meta, top_agents: agents.meta, trends: days.meta, users: people.meta }) };
  },
});

export default router;
