import { z } from "@hono/zod-openapi";
import { type Answer, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type Query, rangeOfQuery } from "../../analytics/query.ts";
import { compareValues } from "../../analytics/result/compare.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { comparedRange } from "../../analytics/time/compared-range.ts";
import { countBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import { MONTH_DAYS, userLifecycle } from "../../analytics/users/lifecycle.ts";
import type { Context } from "../../context.ts";
import {
  bucketValues,
  measureChanges,
  measureValue,
  queryOfParams,
  rangeParams,
  type WithTimezone,
} from "../../http/metrics-params.ts";
import { metricsRoute } from "../../http/metrics-route.ts";
import { createRouter } from "../../http/router.ts";
import { checkWork } from "../../lib/budget.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { explainingQuery, type Figure, figuresOf, KPI_MEASURES, moneyOf } from "./figures.ts";

const tag = "Executive";
const permission = "view_executive_dashboard" as const;
const router = createRouter();
const TREND: MeasureName[] = ["executions", "success_rate", "duration_p95", "credits", "errors"];
const TOP: MeasureName[] = ["executions", "success_rate", "duration_avg", "credits"];
const TOP_AGENTS = 5;

const ratio = z.number().nullable();
const figure = z
  .object({
    value: measureValue,
    previous: measureValue,
    change: measureValue,
    change_ratio: ratio,
    direction: z.enum(["up", "down", "flat"]).nullable(),
    good: z.enum(["up", "down"]).nullable(),
    query: z.string(),
  })
  .openapi("Figure");
const money = z.object({
  amount: z.string().nullable(),
  currency: z.string().nullable(),
  reason: z.string().nullable(),
});
const cost = money.extend({
  previous_amount: z.string().nullable(),
  change_ratio: ratio,
  query: z.string(),
});
const kpis = z.record(z.string(), figure);
const users = z.object({
  day: z.string().nullable(),
  complete: z.boolean().openapi({
    description: "False while the first day of the range is not over: nothing is compared then.",
  }),
  dau: figure,
  wau: figure,
  mau: figure,
  stickiness: figure,
  new_users: figure,
  resurrected_users: figure,
  dormant_users: figure,
});
const top = z.array(
  z.looseObject({ agent: z.string(), comparison: measureChanges, query: z.string() }),
);
const trends = z.object({
  days: z.array(bucketValues),
  directions: z.record(z.string(), z.looseObject({ trend: z.enum(["up", "down", "none"]) })),
  query: z.string(),
});
const params = z.strictObject(rangeParams);
type Params = WithTimezone<z.output<typeof params>>;

interface Parts {
  base: Omit<Query, "measures" | "timeframe"> & { from: number; to: number };
  now: number;
  workspaceId: string;
}

function partsOf(ctx: Context, workspaceId: string, query: Params): Parts {
  const now = ctx.nowUs();
  const { timeframe: _, ...rest } = queryOfParams(query, "30d");
  return { base: { ...rest, ...rangeOfQuery(queryOfParams(query, "30d"), now) }, now, workspaceId };
}

const link = ({ workspaceId, base }: Parts, names: readonly string[]) =>
  explainingQuery(workspaceId, names, base, base.timezone);
const seriesLink = (parts: Parts) =>
  link(parts, TREND).replace("/comparison?", "/series?").replace("&compare=previous_period", "");
const usersLink = (parts: Parts) =>
  link(parts, [])
    .replace("/metrics/comparison?", "/users/activity?")
    .replace("measures=&", "")
    .replace("&compare=previous_period", "");

const kpiQuery = (parts: Parts, explain?: boolean) =>
  prepareQuery(
    parts.workspaceId,
    { ...parts.base, measures: KPI_MEASURES, compare: "previous_period" },
    parts.now,
    explain,
  );
const topQuery = (parts: Parts, explain?: boolean) =>
  prepareQuery(
    parts.workspaceId,
    {
      ...parts.base,
      measures: TOP,
      group_by: ["agent"],
      limit: TOP_AGENTS,
      compare: "previous_period",
      rowsOnly: true,
    },
    parts.now,
    explain,
  );
function trendQuery({ workspaceId, base, now }: Parts, explain?: boolean) {
  checkWork("series", countBuckets(base, "day"), "query.from");
  const query = { ...base, measures: TREND, granularity: "day", rowsOnly: true } as const;
  return prepareQuery(workspaceId, query, now, explain);
}

/**
 * Users of the period before and of the range, day by day. A range that begins within a day touches one day more than it is long, and
 * so does the period before it.
 */
function usersQuery({ workspaceId, base }: Parts) {
  const { timezone } = base;
  const [first] = wholeBuckets(base, "day", timezone);
  const start = first?.from ?? base.from;
  const whole = comparedRange(base, "previous_period", timezone, base.to);
  const before = wholeBuckets(whole, "day", timezone).filter((day) => day.from < start).length;
  const lead = before + (start === base.from ? 0 : 1);
  return userLifecycle(
    workspaceId,
    wholeBuckets(base, "day", timezone, MONTH_DAYS + lead),
    timezone,
  );
}

const topOf = ({ rows }: Answer, parts: Parts) =>
  rows.map(({ group, values: of, comparison = {} }) => ({
    agent: group.agent,
    ...of,
    comparison,
    query: `${link(parts, TOP)}&agent_id=${encodeURIComponent(String(group.agent))}`,
  }));

type Days = ReturnType<ReturnType<typeof userLifecycle>["finish"]>["days"];

/**
 * The days to be judged and those to compare them with: of the range those that are over, before it as many. Of a range that is not
 * over they are the first days of the period before, else the ones right before it. A range whose first day is not over has nothing
 * to compare with yet.
 */
function comparableDays(days: Days, { base, now }: Parts) {
  const asked = wholeBuckets(base, "day", base.timezone);
  const start = days.length - asked.length;
  const over = asked.filter((day) => day.to <= now).length;
  if (over === 0) {
    const begun = asked.filter((day) => day.from <= now).length;
    return { current: days.slice(start, start + begun), before: undefined };
  }
  const previous = days.slice(0, start);
  return {
    current: days.slice(start, start + over),
    before: base.to > now ? previous.slice(0, over) : previous.slice(-over),
  };
}

/** Figures of the last day against its like in the period before, and sums of the days against those of that period. */
function usersOf({ days }: { days: Days }, parts: Parts) {
  const { current, before } = comparableDays(days, parts);
  const query = usersLink(parts);
  const of = (value: number | null, previous: number | null, good: "up" | "down"): Figure => ({
    value,
    ...compareValues(value, previous),
    good,
    query,
  });
  const last = (name: "dau" | "wau" | "mau" | "stickiness") =>
    of(current.at(-1)?.[name] ?? null, before?.at(-1)?.[name] ?? null, "up");
  const sum = (name: "new" | "resurrected" | "dormant", good: "up" | "down") => {
    const total = (list: Days) => list.reduce((all, day) => all + day[name], 0);
    return of(total(current), before ? total(before) : null, good);
  };
  return {
    day: current.at(-1)?.day ?? null,
    complete: before !== undefined,
    dau: last("dau"),
    wau: last("wau"),
    mau: last("mau"),
    stickiness: last("stickiness"),
    new_users: sum("new", "up"),
    resurrected_users: sum("resurrected", "up"),
    dormant_users: sum("dormant", "down"),
  };
}

function trendsOf({ rows }: Answer, parts: Parts) {
  // Days that the range cuts, or that are not over, are shown and not judged.
  const judged = rows.filter(({ complete }) => complete);
  const directions = Object.fromEntries(
    TREND.map((name) => {
      const points = judged.flatMap(({ values: of }, place) =>
        of[name] === null || of[name] === undefined ? [] : [{ place, value: Number(of[name]) }],
      );
      return [name, directionOf(points)];
    }),
  );
  return {
    days: rows.map(({ bucket = "", complete = false, values: of }) => ({
      ...{ bucket, complete },
      ...of,
    })),
    directions,
    query: seriesLink(parts),
  };
}

const FIGURES =
  "Each figure has its value, that of the period before (as many whole local days before a range of whole local days; its same elapsed part when the range is not over), the change, and `query`: the question whose answer it is, with its plan. Default 30d.";
const MONEY =
  "cost = credits x credit_price; null, with the reason, without a price. Revenue is not known and is null.";

metricsRoute(router, {
  path: "/executive/kpis",
  tag,
  permission,
  summary: "Key figures",
  description: `${FIGURES} ${MONEY}`,
  query: params,
  data: z.object({ kpis, cost, revenue: money }).openapi("ExecutiveKpis"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const [settings, [answer]] = await Promise.all([
      settingsOf(ctx, workspaceId),
      runInOneSnapshot(ctx.db, [kpiQuery(parts, query.explain)]),
    ]);
    return {
      data: {
        kpis: figuresOf(answer, (name) => link(parts, [name])),
        ...moneyOf(answer, settings, link(parts, ["credits"])),
      },
      meta: answer.meta,
    };
  },
});

metricsRoute(router, {
  path: "/executive/overview",
  tag,
  permission,
  summary: "Key figures, users and the agents that ran most",
  description: `${FIGURES} users: of whole local days that are over; those of the last one against its like in the period before; new, resurrected and dormant add up the days of the range, and as many of the period before (see /users/activity). ${MONEY}`,
  query: params,
  data: z
    .object({ kpis, users, top_agents: top, cost, revenue: money })
    .openapi("ExecutiveOverview"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, people] = await runInOneSnapshot(ctx.db, [
      kpiQuery(parts, query.explain),
      topQuery(parts, query.explain),
      usersQuery(parts),
    ]);
    const data = {
      kpis: figuresOf(answer, (name) => link(parts, [name])),
      users: usersOf(people, parts),
      top_agents: topOf(agents, parts),
      ...moneyOf(answer, settings, link(parts, ["credits"])),
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
  description:
    "directions: Mann-Kendall and Theil-Sen over the whole local days that are over. Default 30d.",
  query: params,
  data: trends.openapi("ExecutiveTrends"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const [answer] = await runInOneSnapshot(ctx.db, [trendQuery(parts, query.explain)]);
    return { data: trendsOf(answer, parts), meta: answer.meta };
  },
});

metricsRoute(router, {
  path: "/executive/dashboard",
  tag,
  permission,
  summary: "Everything of the executive views, from one snapshot",
  description: `${FIGURES} ${MONEY}`,
  query: params,
  data: z
    .object({ kpis, users, top_agents: top, trends, cost, revenue: money })
    .openapi("ExecutiveDashboard"),
  load: async (ctx, workspaceId, query) => {
    const parts = partsOf(ctx, workspaceId, query);
    const settings = await settingsOf(ctx, workspaceId);
    const [answer, agents, days, people] = await runInOneSnapshot(ctx.db, [
      kpiQuery(parts, query.explain),
      topQuery(parts, query.explain),
      trendQuery(parts, query.explain),
      usersQuery(parts),
    ]);
    const data = {
      kpis: figuresOf(answer, (name) => link(parts, [name])),
      users: usersOf(people, parts),
      top_agents: topOf(agents, parts),
      trends: trendsOf(days, parts),
      ...moneyOf(answer, settings, link(parts, ["credits"])),
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
