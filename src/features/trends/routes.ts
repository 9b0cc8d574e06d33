import { z } from "@hono/zod-openapi";
import { ask } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import { rangeOfQuery } from "../../analytics/query.ts";
import { countBuckets, type Granularity } from "../../analytics/time/range.ts";
import type { Context } from "../../context.ts";
import {
  granularityParam,
  measureParam,
  measureValue,
  queryOfParams,
  rangeAndFilterParams,
  type WithTimezone,
} from "../../http/metrics-params.ts";
import { metricsAnswer, metricsRoute } from "../../http/metrics-route.ts";
import { wholeNumberParam } from "../../http/params.ts";
import { createRouter } from "../../http/router.ts";
import { checkWork } from "../../lib/budget.ts";
import { DAY_US } from "../../lib/time.ts";
import { analyzeTrend } from "./analyze.ts";

const router = createRouter();

const params = z.strictObject({
  ...rangeAndFilterParams,
  granularity: granularityParam
    .optional()
    .openapi({ description: "Default: hour up to 3 days, day up to 400, else week." }),
  window: wholeNumberParam(2, 100)
    .optional()
    .openapi({ description: "Buckets of the moving averages; default 7." }),
});
const number = z.number().nullable();
const data = z
  .object({
    measure: z.string(),
    granularity: granularityParam,
    window: z.int(),
    points: z.array(z.object({ bucket: z.string(), value: measureValue, complete: z.boolean() })),
    direction: z.object({
      trend: z.enum(["up", "down", "none"]),
      tau: number,
      p_value: number,
      slope: number,
      points: z.int(),
      method: z.enum(["exact", "normal"]).nullable(),
      reason: z.string().optional(),
    }),
    change_points: z.array(z.object({ bucket: z.string(), before: z.number(), after: z.number() })),
    seasonality: z
      .object({
        period: z.int(),
        strength: z.number(),
        autocorrelation: z.number(),
        detected: z.boolean(),
      })
      .nullable(),
    decomposition: z
      .array(
        z.object({
          bucket: z.string(),
          trend: z.number(),
          seasonal: z.number(),
          remainder: z.number(),
        }),
      )
      .nullable(),
    moving_averages: z.array(
      z.object({ bucket: z.string(), sma: number, ema: number, wma: number }),
    ),
    insights: z.array(
      z.object({
        kind: z.string(),
        text: z.string(),
        evidence: z.record(z.string(), measureValue),
      }),
    ),
    not_tested: z.array(z.object({ what: z.string(), why: z.string() })),
    interpolated: z.int(),
  })
  .openapi("Trend");

function defaultGranularity(days: number): Granularity {
  if (days <= 3) return "hour";
  return days <= 400 ? "day" : "week";
}

async function measureTrend(
  ctx: Context,
  workspaceId: string,
  name: MeasureName,
  { window = 7, ...query }: WithTimezone<z.output<typeof params>>,
) {
  const base = queryOfParams(query, "30d");
  const now = ctx.nowUs();
  const range = rangeOfQuery(base, now);
  const days = (range.to - range.from) / DAY_US;
  const by = query.granularity ?? defaultGranularity(days);
  checkWork("series", countBuckets(range, by), "query.granularity");
  const { rows, meta } = await ask(
    ctx,
    workspaceId,
    { ...base, timeframe: undefined, ...range, measures: [name], granularity: by },
    query.explain,
  );
  const points = rows.map(({ bucket = "", complete = false, values }) => ({
    bucket,
    value: values[name] ?? null,
    complete,
  }));
  const series = points.map((point) => ({
    ...point,
    value: point.value === null ? null : Number(point.value),
  }));
  return {
    data: {
      measure: name,
      granularity: by,
      window,
      points,
      ...analyzeTrend(name, series, by, window),
    },
    meta,
  };
}

const description =
  "direction: Mann-Kendall test and Theil-Sen slope; change_points: PELT on the mean level; " +
  "seasonality and decomposition: STL by loess; sma, ema (alpha = 2 / (window + 1)) and wma (linear " +
  "weights). Buckets that the range cuts or that have not ended are in `points` with " +
  "`complete: false` and in no test. Works from 3 buckets on; not_tested has the tests that were " +
  "not possible.";

metricsRoute(router, {
  path: "/trends/{measure}",
  tag: "Trends",
  summary: "The trend of a measure",
  description,
  query: params,
  params: z.object({ measure: measureParam }),
  response: metricsAnswer(data),
  load: (ctx, workspaceId, query, { measure: name }) => measureTrend(ctx, workspaceId, name, query),
});

metricsRoute(router, {
  path: "/metrics/trends",
  tag: "Metrics",
  summary: "The trend of a measure",
  description,
  query: params.extend({
    measure: measureParam.optional().openapi({ description: "Default executions." }),
  }),
  response: metricsAnswer(data),
  load: (ctx, workspaceId, { measure: name = "executions", ...query }) =>
    measureTrend(ctx, workspaceId, name, query),
});

export default router;
