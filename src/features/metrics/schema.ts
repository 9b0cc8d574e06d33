import { z } from "@hono/zod-openapi";
import { MEASURE_NAMES } from "../../analytics/catalog/measures.ts";
import {
  compareParam,
  fieldList,
  filterShape,
  granularityParam,
  groupBy,
  MAX_GROUPS,
  measureChanges,
  measureList,
  measureParam,
  measureValue,
  measureValues,
  metaShape,
  orderBy,
  rangeAndFilterParams,
  timeframeParam,
  timezoneParam,
} from "../../http/metrics-params.ts";
import { instantParam, wholeNumberParam } from "../../http/params.ts";

export const summaryParams = z.strictObject({
  ...rangeAndFilterParams,
  compare: compareParam.optional(),
});
export const seriesParams = z.strictObject({
  ...rangeAndFilterParams,
  measures: measureList.optional().openapi({ description: "Default executions." }),
  granularity: granularityParam.optional().openapi({ description: "Default day." }),
  group_by: fieldList.optional(),
  compare: compareParam.optional(),
  limit: wholeNumberParam(1, MAX_GROUPS).optional(),
});
export const breakdownParams = z.strictObject({
  ...rangeAndFilterParams,
  measures: measureList.optional().openapi({ description: "Default executions." }),
  group_by: fieldList,
  order_by: measureParam.optional().openapi({ description: "Default: the first measure." }),
  direction: z.enum(["asc", "desc"]).optional(),
  compare: compareParam.optional(),
  limit: wholeNumberParam(1, MAX_GROUPS).optional(),
});
export const comparisonParams = z.strictObject({
  ...rangeAndFilterParams,
  measures: measureList.optional(),
  compare: compareParam.optional().openapi({ description: "Default previous_period." }),
});

export const queryBody = z
  .strictObject({
    measures: z.array(measureParam).min(1).max(MEASURE_NAMES.length),
    timeframe: timeframeParam.optional(),
    from: instantParam.optional(),
    to: instantParam.optional(),
    granularity: granularityParam.optional(),
    timezone: timezoneParam.optional(),
    group_by: groupBy.optional(),
    filters: z.array(filterShape).max(20).optional(),
    compare: compareParam.optional(),
    order_by: orderBy.optional(),
    limit: z.int().min(1).max(MAX_GROUPS).optional(),
  })
  .openapi("MetricsQuery");

const row = z
  .looseObject({
    bucket: z.string().optional(),
    complete: z
      .boolean()
      .optional()
      .openapi({ description: "Whether the bucket has ended and the range does not cut it." }),
    other: z.boolean().optional(),
    comparison: measureChanges.optional(),
  })
  .openapi("MetricsRow");
export const rowsAnswer = z
  .object({
    data: z.object({
      rows: z.array(row),
      totals: measureValues,
      totals_comparison: measureChanges.optional(),
    }),
    meta: metaShape,
  })
  .openapi("MetricsRows");

const count = z.int();
const ms = z.number().nullable();
const summaryData = z.object({
  executions: count,
  successes: count,
  failures: count,
  timeouts: count,
  cancellations: count,
  running: count,
  success_rate: z.number().nullable(),
  failure_rate: z.number().nullable(),
  duration_ms: z.object({ avg: ms, min: ms, max: ms, p50: ms, p75: ms, p90: ms, p95: ms, p99: ms }),
  credits: z.string(),
  tokens_in: count,
  tokens_out: count,
  active_users: count,
  active_agents: count,
});
export type SummaryData = z.input<typeof summaryData>;
export const summaryAnswer = z
  .object({
    data: summaryData.extend({
      comparison: z.object({ previous: summaryData, changes: measureChanges }).optional(),
    }),
    meta: metaShape,
  })
  .openapi("Summary");
export const comparisonAnswer = z
  .object({
    data: z.object({ current: measureValues, previous: measureValues, changes: measureChanges }),
    meta: metaShape,
  })
  .openapi("Comparison");
export const realtimeAnswer = z
  .object({
    data: z.object({
      running: count,
      per_minute: z.object({
        executions: z.number(),
        successes: z.number(),
        failures: z.number(),
        credits: z.string(),
      }),
      minutes: z.array(
        z.object({
          bucket: z.string(),
          complete: z.boolean(),
          executions: count,
          successes: count,
          failures: count,
          credits: z.string(),
        }),
      ),
    }),
    meta: metaShape,
  })
  .openapi("Realtime");
export const catalogAnswer = z
  .object({
    data: z.object({
      measures: z.array(
        z.object({
          name: z.string(),
          unit: z.string(),
          additive: z.boolean(),
          empty: measureValue,
          good: z.string().nullable(),
          description: z.string(),
        }),
      ),
      dimensions: z.array(z.string()),
      granularities: z.array(z.string()),
      timeframes: z.array(z.string()),
      operators: z.array(z.string()),
    }),
  })
  .openapi("Catalog");
