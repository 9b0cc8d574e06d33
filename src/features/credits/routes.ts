import { createRoute, z } from "@hono/zod-openapi";
import { ask, prepareQuery } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Query } from "../../analytics/query.ts";
import { combineMeta } from "../../analytics/result/meta.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams } from "../../http/metrics-params.ts";
import { jsonContent, metricsAnswer, metricsRoute } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { ratioOf } from "../../lib/decimal.ts";
import { unprocessable } from "../../lib/errors.ts";
import { settingsOf } from "../../store/workspaces.ts";
import { budgetsOf, putBudgets } from "./budgets.ts";
import { CREDIT_MEASURES, creditBurn, creditConsumption, pricing } from "./consumption.ts";
import * as descriptions from "./descriptions.ts";
import { creditOptimizations } from "./optimize.ts";
import * as schema from "./schema.ts";

const tag = "Credits";
const router = createRouter();
const MOST_CREDITS: Query["order_by"] = [{ measure: "credits", direction: "desc" }];

metricsRoute(router, {
  path: "/credits/consumption",
  tag,
  summary: "Credits that were consumed",
  description: descriptions.CREDIT_CONSUMPTION,
  query: schema.consumptionParams,
  response: metricsAnswer(schema.consumptionShape),
  load: (ctx, workspaceId, { granularity = "day", ...query }) =>
    creditConsumption(ctx, workspaceId, queryOfParams(query, "30d"), granularity, query.explain),
});

metricsRoute(router, {
  path: "/credits/breakdown",
  tag,
  summary: "Credits by model, agent or user",
  description: descriptions.CREDIT_BREAKDOWN,
  query: schema.creditBreakdownParams,
  response: metricsAnswer(schema.creditBreakdownShape),
  load: async (ctx, workspaceId, { by, limit = 20, ...query }) => {
    const measures: MeasureName[] = [...CREDIT_MEASURES, "tokens_in", "tokens_out", "success_rate"];
    const base = queryOfParams(query, "30d");
    const asked = { ...base, measures, group_by: [by], order_by: MOST_CREDITS, limit };
    const { rows, totals, meta } = await ask(ctx, workspaceId, asked, query.explain);
    const groups = rows.map(({ group, other, values }) => ({
      [by]: group[by] ?? null,
      ...(other ? { other } : {}),
      ...values,
      share: ratioOf(String(values.credits), String(totals.credits)),
    }));
    return { data: { by, groups, totals }, meta };
  },
});

metricsRoute(router, {
  path: "/credits/burn",
  tag,
  summary: "How fast credits burn",
  description: descriptions.CREDIT_BURN,
  query: schema.burnParams,
  response: metricsAnswer(schema.burnShape),
  load: (ctx, workspaceId, { timezone, explain }) =>
    creditBurn(ctx, workspaceId, timezone, explain),
});

metricsRoute(router, {
  path: "/credits/budgets",
  tag,
  summary: "Budgets and how far they are used",
  description: descriptions.CREDIT_BUDGETS,
  query: z.strictObject(workspaceParam),
  response: metricsAnswer(schema.budgetsShape),
  load: (ctx, workspaceId) => budgetsOf(ctx, workspaceId),
});

router.openapi(
  createRoute({
    method: "put",
    path: "/credits/budgets",
    tags: [tag],
    summary: "Set the budgets",
    description: descriptions.SET_BUDGETS,
    middleware: [requirePermission("write:budgets"), limitBody(16 * 1024)] as const,
    request: {
      query: z.strictObject(workspaceParam),
      body: { required: true, content: { "application/json": { schema: schema.budgetsInput } } },
    },
    responses: {
      200: jsonContent("The budgets.", z.object({ data: schema.budgetsShape })),
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const ctx = c.get("ctx");
    const workspaceId = c.get("workspaceId");
    const { budgets } = c.req.valid("json");
    const periods = budgets.map(({ period }) => period);
    const repeated = periods.findIndex((period, index) => periods.indexOf(period) !== index);
    if (repeated >= 0)
      throw unprocessable(`budgets.${repeated}.period`, "period_twice", "Give each period once.");
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
  description: descriptions.CREDIT_OPTIMIZATIONS,
  query: schema.optimizationsParams,
  response: metricsAnswer(schema.optimizationsShape),
  load: async (ctx, workspaceId, query) => {
    const settings = await settingsOf(ctx, workspaceId);
    const base = queryOfParams(query, "30d");
    const now = ctx.nowUs();
    const groupsBy = (field: "status" | "model", measures: MeasureName[]) => {
      const question = { ...base, measures, group_by: ["agent", field], order_by: MOST_CREDITS };
      return prepareQuery(
        workspaceId,
        { ...question, limit: 1000, rowsOnly: true },
        now,
        query.explain,
      );
    };
    const outcomes: MeasureName[] = [
      "successes",
      "failures",
      "timeouts",
      "cancellations",
      "success_rate",
    ];
    const [statuses, models] = await runInOneSnapshot(ctx.db, [
      groupsBy("status", CREDIT_MEASURES),
      groupsBy("model", [...CREDIT_MEASURES, ...outcomes]),
    ]);
    const data = creditOptimizations(statuses.rows, models.rows, pricing(settings));
    return { data, meta: combineMeta({ statuses: statuses.meta, models: models.meta }) };
  },
});

export default router;
