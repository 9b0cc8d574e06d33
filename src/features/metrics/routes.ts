import { createRoute, z } from "@hono/zod-openapi";
import { type Answer, ask } from "../../analytics/ask.ts";
import { CLOCK_DIMENSIONS, DIMENSIONS, OPERATORS } from "../../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES, measureOf } from "../../analytics/catalog/measures.ts";
import type { Query } from "../../analytics/query.ts";
import type { AnswerRow } from "../../analytics/result/rows.ts";
import { columnsOfQuery, tableOf } from "../../analytics/shapes/table.ts";
import { GRANULARITIES, TIMEFRAMES } from "../../analytics/time/range.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { cachedAnswer, csvAnswer, wantsCsv } from "../../http/cached-response.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams, withTimezone } from "../../http/metrics-params.ts";
import { jsonContent, metricsRoute } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { unprocessable } from "../../lib/errors.ts";
import * as descriptions from "./descriptions.ts";
import { executionRoutes } from "./execution.ts";
import { realtimeMetrics } from "./realtime.ts";
import * as schema from "./schema.ts";
import { previousOf, SUMMARY_MEASURES, summaryOf } from "./summary.ts";

const tag = "Metrics";
const router = createRouter();

function rowOf(row: AnswerRow): Record<string, unknown> {
  const { bucket, complete, group, other, values, comparison } = row;
  return {
    ...(bucket === undefined ? {} : { bucket, complete }),
    ...group,
    ...(other ? { other } : {}),
    ...values,
    ...(comparison ? { comparison } : {}),
  };
}

function rowsOf({ rows, totals, totalsComparison, meta }: Answer) {
  return {
    data: {
      rows: rows.map(rowOf),
      totals,
      ...(totalsComparison ? { totals_comparison: totalsComparison } : {}),
    },
    meta,
  };
}

metricsRoute(router, {
  path: "/metrics/summary",
  tag,
  summary: "The numbers of a range",
  description: descriptions.METRICS_SUMMARY,
  query: schema.summaryParams,
  response: schema.summaryAnswer,
  responseText: "The summary.",
  load: async (ctx, workspaceId, { compare, ...params }) => {
    const query = { ...queryOfParams(params), measures: SUMMARY_MEASURES, compare };
    const answer = await ask(ctx, workspaceId, query, params.explain);
    return { data: summaryOf(answer), meta: answer.meta };
  },
});

metricsRoute(router, {
  path: "/metrics/series",
  tag,
  summary: "Measures over time",
  query: schema.seriesParams,
  response: schema.rowsAnswer,
  responseText: "One row for each bucket (and group), also for empty buckets.",
  load: async (ctx, workspaceId, params) => {
    const { measures = ["executions"], granularity = "day", group_by, compare, limit } = params;
    const base = queryOfParams(params);
    const query: Query = { ...base, measures, granularity, group_by, compare, limit };
    return rowsOf(await ask(ctx, workspaceId, query, params.explain));
  },
});

metricsRoute(router, {
  path: "/metrics/breakdown",
  tag,
  summary: "Measures by dimensions",
  description: descriptions.METRICS_BREAKDOWN,
  query: schema.breakdownParams,
  response: schema.rowsAnswer,
  responseText: "One row for each group.",
  load: async (ctx, workspaceId, params) => {
    const { measures = ["executions"], group_by, compare, limit, direction = "desc" } = params;
    const ordered = params.order_by ? [params.order_by] : measures.slice(0, 1);
    const order_by = ordered.map((measure) => ({ measure, direction }));
    const base = queryOfParams(params);
    const query: Query = { ...base, measures, group_by, order_by, compare, limit };
    return rowsOf(await ask(ctx, workspaceId, query, params.explain));
  },
});

metricsRoute(router, {
  path: "/metrics/comparison",
  tag,
  summary: "A range against the one before",
  query: schema.comparisonParams,
  response: schema.comparisonAnswer,
  responseText: "Both values, the change and its direction.",
  load: async (ctx, workspaceId, params) => {
    const { measures = SUMMARY_MEASURES, compare = "previous_period" } = params;
    const query = { ...queryOfParams(params), measures, compare };
    const answer = await ask(ctx, workspaceId, query, params.explain);
    const { totals: current, totalsComparison: changes = {}, meta } = answer;
    return { data: { current, previous: previousOf(changes), changes }, meta };
  },
});

metricsRoute(router, {
  path: "/metrics/realtime",
  tag,
  summary: "What runs now",
  query: z.strictObject(workspaceParam),
  response: schema.realtimeAnswer,
  responseText: "Running now, the last 60 whole minutes, and the mean of the last 5.",
  load: (ctx, workspaceId) => realtimeMetrics(ctx.db, workspaceId, ctx.now()),
});

router.openapi(
  createRoute({
    method: "post",
    path: "/metrics/query",
    tags: [tag],
    summary: "Any question",
    description: descriptions.METRICS_QUERY,
    middleware: [requirePermission("read:metrics"), limitBody(256 * 1024)] as const,
    request: {
      query: z.strictObject({ ...workspaceParam, explain: schema.summaryParams.shape.explain }),
      body: { required: true, content: { "application/json": { schema: schema.queryBody } } },
    },
    responses: {
      200: {
        description: "Rows and totals.",
        content: {
          "application/json": { schema: schema.rowsAnswer },
          "text/csv": { schema: z.string() },
        },
      },
      ...problemResponses("malformed", "too_large", "unsupported_media_type", "unprocessable"),
    },
  }),
  async (c) => {
    const body = c.req.valid("json");
    const { explain } = c.req.valid("query");
    if (wantsCsv(c)) {
      if (body.compare)
        throw unprocessable("compare", "not_applicable", "A CSV has no columns for a comparison.");
      const ctx = c.get("ctx");
      const workspaceId = c.get("workspaceId");
      const question = await withTimezone(ctx, workspaceId, body);
      const names = columnsOfQuery(question).map(({ name }) => name);
      return csvAnswer(c, names, tableOf(question, await ask(ctx, workspaceId, question)));
    }
    return cachedAnswer(c, "query", { ...body, explain }, async (ctx, workspaceId) =>
      rowsOf(await ask(ctx, workspaceId, await withTimezone(ctx, workspaceId, body), explain)),
    );
  },
);

/** The names that a question may use. */
const CATALOG = {
  measures: MEASURE_NAMES.map((name) => {
    const { unit, additive, empty, good, description } = measureOf(name);
    return { name, unit, additive, empty, good, description };
  }),
  dimensions: [...Object.keys(DIMENSIONS), ...CLOCK_DIMENSIONS, "metadata.<key>"],
  granularities: [...GRANULARITIES],
  timeframes: Object.keys(TIMEFRAMES),
  operators: [...OPERATORS],
};

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/catalog",
    tags: [tag],
    summary: "What can be asked",
    middleware: requirePermission("read:metrics"),
    request: { query: z.strictObject(workspaceParam) },
    responses: {
      200: jsonContent("Measures, dimensions and granularities.", schema.catalogAnswer),
      ...problemResponses("malformed"),
    },
  }),
  (c) => c.json({ data: CATALOG }, 200),
);

executionRoutes(router);

export default router;
