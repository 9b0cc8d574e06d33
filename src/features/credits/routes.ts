import { createRoute, z } from "@hono/zod-openapi";
import { ask, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { directionOf } from "../../analytics/statistics/direction.ts";
import { rangeOfBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams } from "../../http/metrics-params.ts";
import { jsonContent, metricsRoute } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { costOf, divideRounded, fromMicros, ratioOf, toMicros } from "../../lib/decimal.ts";
import { unprocessable } from "../../lib/errors.ts";
import {
  type MoneyAmount,
  NO_PRICE,
  settingsOf,
  type WorkspaceSettings,
} from "../../store/workspaces.ts";
import { budgetsOf, putBudgets } from "./budgets.ts";
import { optimize } from "./optimize.ts";
import * as schema from "./schema.ts";

const tag = "Credits";
const router = createRouter();
const SUMS: MeasureName[] = ["credits", "executions", "credits_avg"];

/** An amount of money, or why there is none: nothing is made up. */
const moneyOf =
  ({ credit_price: price, currency }: WorkspaceSettings) =>
  (credits: string): MoneyAmount =>
    price === null
      ? { amount: null, currency: null, reason: NO_PRICE }
      : { amount: costOf(credits, price), currency, reason: null };

metricsRoute(router, {
  path: "/credits/consumption",
  tag,
  summary: "Credits that were consumed",
  description:
    "Sums are exact decimals (default 30d). cost = credits x the workspace's credit_price, rounded to 6 places; null, with the reason, without a price. not_successful: credits of runs that ended in failure, timeout or cancellation.",
  query: schema.consumptionParams,
  data: schema.consumption,
  load: async (ctx, workspaceId, { granularity = "day", ...query }) => {
    const base = queryOfParams(query, "30d");
    const now = ctx.nowUs();
    const settings = await settingsOf(ctx, workspaceId);
    const cost = moneyOf(settings);
    const [series, whole, statuses] = await runInOneSnapshot(ctx.db, [
      prepareQuery(
        workspaceId,
        { ...base, measures: SUMS, granularity, rowsOnly: true },
        now,
        query.explain,
      ),
      prepareQuery(
        workspaceId,
        { ...base, measures: SUMS, compare: "previous_period" },
        now,
        query.explain,
      ),
      prepareQuery(
        workspaceId,
        { ...base, measures: SUMS, group_by: ["status"], rowsOnly: true },
        now,
        query.explain,
      ),
    ]);
    const credits = String(whole.totals.credits);
    let sum = 0n;
    const by = statuses.rows.map(({ group, values }) => {
      const part = String(values.credits);
      return {
        status: String(group.status),
        executions: Number(values.executions),
        credits: part,
        share: ratioOf(part, credits),
      };
    });
    const lost = fromMicros(
      by
        .filter(({ status }) => ["failure", "timeout", "cancelled"].includes(status))
        .reduce((all, each) => all + toMicros(each.credits), 0n),
    );
    const data = {
      credits,
      cost: cost(credits),
      executions: Number(whole.totals.executions),
      credits_avg: whole.totals.credits_avg ?? null,
      change: whole.totalsComparison ?? {},
      by_status: by,
      not_successful: { credits: lost, share: ratioOf(lost, credits), cost: cost(lost) },
      series: series.rows.map(({ bucket = "", complete = false, values }) => {
        sum += toMicros(String(values.credits));
        return {
          bucket,
          complete,
          credits: String(values.credits),
          cumulative: fromMicros(sum),
          executions: Number(values.executions),
        };
      }),
    };
    return {
      data,
      meta: combineMeta({ whole: whole.meta, series: series.meta, statuses: statuses.meta }),
    };
  },
});

metricsRoute(router, {
  path: "/credits/breakdown",
  tag,
  summary: "Credits by model, agent or user",
  description:
    "The groups with the most credits and one row `other`, so that they add up (default 30d). share: of the total.",
  query: schema.breakdownParams,
  data: schema.breakdown,
  load: async (ctx, workspaceId, { by, limit = 20, ...query }) => {
    const measures: MeasureName[] = [...SUMS, "tokens_in", "tokens_out", "success_rate"];
    const asked = {
      ...queryOfParams(query, "30d"),
      measures,
      group_by: [by],
      order_by: [{ measure: "credits" as const, direction: "desc" as const }],
      limit,
    };
    const { rows, totals, meta: about } = await ask(ctx, workspaceId, asked, query.explain);
    const groups = rows.map(({ group, other, values }) => ({
      [by]: group[by] ?? null,
      ...(other ? { other } : {}),
      ...values,
      share: ratioOf(String(values.credits), String(totals.credits)),
    }));
    return { data: { by, groups, totals }, meta: about };
  },
});

metricsRoute(router, {
  path: "/credits/burn",
  tag,
  summary: "How fast credits burn",
  description:
    "Credits of whole local days: the last 7 and the last 30, and what they are a day; change_ratio: the last 7 days against the 7 before; direction: Mann-Kendall over the 30 days. Today is given apart, as far as it has come.",
  query: schema.burnParams,
  data: schema.burn,
  load: async (ctx, workspaceId, query) => {
    const now = ctx.nowUs();
    const { timezone } = query;
    const days = wholeBuckets({ from: now, to: now + 1 }, "day", timezone, 30);
    const asked = {
      measures: ["credits" as const],
      ...rangeOfBuckets(days),
      timezone,
      granularity: "day" as const,
    };
    const { rows, meta: about } = await ask(ctx, workspaceId, asked, query.explain);
    const list = rows.map(({ bucket = "", complete = false, values }) => ({
      day: bucket.slice(0, 10),
      complete,
      credits: String(values.credits),
    }));
    const sum = (part: typeof list) => part.reduce((all, each) => all + toMicros(each.credits), 0n);
    const window = (from: number, to: number) => {
      const [total, range] = [sum(list.slice(from, to)), rangeOfBuckets(days.slice(from, to))];
      const per_day = fromMicros(divideRounded(total, BigInt(to - from)));
      return {
        from: formatLocal(range.from, timezone),
        to: formatLocal(range.to, timezone),
        credits: fromMicros(total),
        per_day,
      };
    };
    const [recent, before] = [sum(list.slice(23, 30)), sum(list.slice(16, 23))];
    const points = list
      .slice(0, 30)
      .map(({ credits }, place) => ({ place, value: Number(credits) }));
    const data = {
      today: {
        from: formatLocal(days.at(-1)?.from ?? now, timezone),
        credits: list.at(-1)?.credits ?? "0.000000",
      },
      last_7_days: window(23, 30),
      last_30_days: window(0, 30),
      change_ratio: before === 0n ? null : Number(recent - before) / Number(before),
      direction: { measure: "credits", ...directionOf(points) },
      days: list,
    };
    return { data, meta: about };
  },
});

metricsRoute(router, {
  path: "/credits/budgets",
  tag,
  summary: "Budgets and how far they are used",
  description:
    "For each budget the running day, week (from Monday) or month of the workspace's zone: spent, remaining, and the marks at 50, 75, 90 and 100 % with the local hour in which each was reached.",
  query: z.strictObject(workspaceParam),
  data: schema.budgets,
  load: (ctx, workspaceId) => budgetsOf(ctx, workspaceId),
});

router.openapi(
  createRoute({
    method: "put",
    path: "/credits/budgets",
    tags: [tag],
    summary: "Set the budgets",
    description: "Replaces all budgets; a period that is not named has none afterwards.",
    middleware: [requirePermission("write:budgets"), limitBody(16 * 1024)] as const,
    request: {
      query: z.strictObject(workspaceParam),
      body: { required: true, content: { "application/json": { schema: schema.budgetsInput } } },
    },
    responses: {
      200: jsonContent("The budgets.", z.object({ data: schema.budgets })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const [ctx, workspaceId, { budgets }] = [
      c.get("ctx"),
      c.get("workspaceId"),
      c.req.valid("json"),
    ];
    const twice = budgets.findIndex(
      ({ period }, index) => budgets.findIndex((each) => each.period === period) !== index,
    );
    if (twice >= 0)
      throw unprocessable(`budgets.${twice}.period`, "period_twice", "Give each period once.");
    const list = budgets.map(({ period, credits }) => ({
      period,
      credits: typeof credits === "number" ? credits.toFixed(6) : credits,
    }));
    await putBudgets(ctx, workspaceId, list);
    const { data } = await budgetsOf(ctx, workspaceId);
    return c.json({ data }, 200);
  },
);

metricsRoute(router, {
  path: "/credits/optimizations",
  tag,
  summary: "Where credits could be saved",
  description:
    "Agents whose failed runs take at least 5 % of their credits, and models for which another one of the same agent costs at most half a run and does not succeed less often beyond chance (two-proportion z-test), from 20 runs on (default 30d). Each says its evidence and what its saving assumes.",
  query: schema.optimizationsParams,
  data: schema.optimizations,
  load: async (ctx, workspaceId, query) => {
    const base = queryOfParams(query, "30d");
    const now = ctx.nowUs();
    const settings = await settingsOf(ctx, workspaceId);
    const measures: MeasureName[] = [
      ...SUMS,
      "successes",
      "failures",
      "timeouts",
      "cancellations",
      "success_rate",
    ];
    const order = [{ measure: "credits" as const, direction: "desc" as const }];
    const [statuses, models] = await runInOneSnapshot(ctx.db, [
      prepareQuery(
        workspaceId,
        {
          ...base,
          measures: SUMS,
          group_by: ["agent", "status"],
          order_by: order,
          limit: 1000,
          rowsOnly: true,
        },
        now,
        query.explain,
      ),
      prepareQuery(
        workspaceId,
        {
          ...base,
          measures,
          group_by: ["agent", "model"],
          order_by: order,
          limit: 1000,
          rowsOnly: true,
        },
        now,
        query.explain,
      ),
    ]);
    const data = optimize(statuses.rows, models.rows, moneyOf(settings));
    return { data, meta: combineMeta({ statuses: statuses.meta, models: models.meta }) };
  },
});

export default router;
