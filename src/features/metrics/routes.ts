import { createRoute, z } from "@hono/zod-openapi";
import { type Answer, ask } from "../../analytics/ask.ts";
import { CLOCK_DIMENSIONS, DIMENSIONS, OPERATORS } from "../../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES, measureOf } from "../../analytics/catalog/measures.ts";
import type { AnswerRow } from "../../analytics/result/rows.ts";
import { columnsOfQuery, tableOf } from "../../analytics/shapes/table.ts";
import { GRANULARITIES, TIMEFRAMES } from "../../analytics/time/range.ts";
import { requirePermission } from "../../http/auth.ts";
import { limitBody } from "../../http/body.ts";
import { cachedAnswer, csvAnswer, wantsCsv } from "../../http/cached-response.ts";
import { problemResponses } from "../../http/errors.ts";
import { queryOfParams, withTimezone } from "../../http/metrics-params.ts";
import { jsonContent } from "../../http/metrics-route.ts";
import { workspaceParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { unprocessable } from "../../lib/errors.ts";
import { executionViews } from "./execution.ts";
import { realtimeMetrics } from "./realtime.ts";
import * as schema from "./schema.ts";
import { SUMMARY_MEASURES, summaryOf } from "./summary.ts";

const tags = ["Metrics"];
const middleware = requirePermission("read:metrics");
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

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/summary",
    tags,
    summary: "The numbers of a range",
    description:
      "Rates and means come from merged sums; percentiles over rollups are within 1 % of the true value at their rank (see meta).",
    middleware,
    request: { query: schema.summaryParams },
    responses: {
      200: jsonContent("The summary.", schema.summaryAnswer),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const params = c.req.valid("query");
    return cachedAnswer(c, "summary", params, async (ctx, workspaceId) => {
      const answer = await ask(
        ctx,
        workspaceId,
        {
          ...queryOfParams(await withTimezone(ctx, workspaceId, params)),
          measures: SUMMARY_MEASURES,
          compare: params.compare,
        },
        params.explain,
      );
      return { data: summaryOf(answer), meta: answer.meta };
    });
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/series",
    tags,
    summary: "Measures over time",
    middleware,
    request: { query: schema.seriesParams },
    responses: {
      200: jsonContent(
        "One row for each bucket (and group); empty buckets are there.",
        schema.rowsAnswer,
      ),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const params = c.req.valid("query");
    const { measures = ["executions"], granularity = "day", group_by, compare, limit } = params;
    return cachedAnswer(c, "series", params, async (ctx, workspaceId) =>
      rowsOf(
        await ask(
          ctx,
          workspaceId,
          {
            ...queryOfParams(await withTimezone(ctx, workspaceId, params)),
            measures,
            granularity,
            group_by,
            compare,
            limit,
          },
          params.explain,
        ),
      ),
    );
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/breakdown",
    tags,
    summary: "Measures by dimensions",
    description:
      "The best groups, and one exact row `other` for all the rest, so that the rows add up to the total.",
    middleware,
    request: { query: schema.breakdownParams },
    responses: {
      200: jsonContent("One row for each group.", schema.rowsAnswer),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const params = c.req.valid("query");
    const { measures = ["executions"], group_by, compare, limit, direction = "desc" } = params;
    const order_by = params.order_by
      ? [{ measure: params.order_by, direction }]
      : measures.slice(0, 1).map((measure) => ({ measure, direction }));
    return cachedAnswer(c, "breakdown", params, async (ctx, workspaceId) =>
      rowsOf(
        await ask(
          ctx,
          workspaceId,
          {
            ...queryOfParams(await withTimezone(ctx, workspaceId, params)),
            measures,
            group_by,
            order_by,
            compare,
            limit,
          },
          params.explain,
        ),
      ),
    );
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/comparison",
    tags,
    summary: "A range against the one before",
    middleware,
    request: { query: schema.comparisonParams },
    responses: {
      200: jsonContent("Both values, the change and its direction.", schema.comparisonAnswer),
      ...problemResponses("malformed", "unprocessable"),
    },
  }),
  async (c) => {
    const params = c.req.valid("query");
    const { measures = SUMMARY_MEASURES, compare = "previous_period" } = params;
    return cachedAnswer(c, "comparison", params, async (ctx, workspaceId) => {
      const {
        totals,
        totalsComparison = {},
        meta,
      } = await ask(
        ctx,
        workspaceId,
        { ...queryOfParams(await withTimezone(ctx, workspaceId, params)), measures, compare },
        params.explain,
      );
      const previous = Object.fromEntries(
        Object.entries(totalsComparison).map(([name, compared]) => [name, compared.previous]),
      );
      return { data: { current: totals, previous, changes: totalsComparison }, meta };
    });
  },
);

router.openapi(
  createRoute({
    method: "post",
    path: "/metrics/query",
    tags,
    summary: "Any question",
    description: "With `Accept: text/csv` the rows are a CSV, without comparison, totals and meta.",
    middleware: [middleware, limitBody(256 * 1024)] as const,
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
      const [ctx, workspaceId] = [c.get("ctx"), c.get("workspaceId")];
      const question = await withTimezone(ctx, workspaceId, body);
      const names = columnsOfQuery(question).map(({ name }) => name);
      return csvAnswer(c, names, tableOf(question, await ask(ctx, workspaceId, question)));
    }
    return cachedAnswer(c, "query", { ...body, explain }, async (ctx, workspaceId) =>
      rowsOf(await ask(ctx, workspaceId, await withTimezone(ctx, workspaceId, body), explain)),
    );
  },
);

router.openapi(
  createRoute({
    method: "get",
    path: "/metrics/realtime",
    tags,
    summary: "What runs now",
    middleware,
    request: { query: z.strictObject(workspaceParam) },
    responses: {
      200: jsonContent(
        "Running now, the last 60 whole minutes, and the mean of the last 5.",
        schema.realtimeAnswer,
      ),
      ...problemResponses("malformed"),
    },
  }),
  async (c) =>
    cachedAnswer(c, "realtime", {}, (ctx, workspaceId) =>
      realtimeMetrics(ctx.db, workspaceId, ctx.now()),
    ),
);

const catalog = {
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
    tags,
    summary: "What can be asked",
    middleware,
    request: { query: z.strictObject(workspaceParam) },
    responses: {
      200: jsonContent("Measures, dimensions and granularities.", schema.catalogAnswer),
      ...problemResponses("malformed"),
    },
  }),
  (c) => c.json({ data: catalog }, 200),
);

executionViews(router);

export default router;
