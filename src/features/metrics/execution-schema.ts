import { z } from "@hono/zod-openapi";
import { measureValues, rangeAndFilterParams } from "../../http/metrics-params.ts";

const count = z.int();
const ratio = z.number().nullable();

export const executionParams = z.strictObject(rangeAndFilterParams);
const started = z.object({ bucket: z.string(), complete: z.boolean(), executions: count });
export const throughputShape = z
  .object({
    executions: count,
    hours: z.number().openapi({ description: "Wall time of the range that has passed." }),
    per_minute: ratio,
    per_hour: ratio,
    per_day: ratio,
    busiest_hour: started.nullable(),
    granularity: z
      .enum(["hour", "day"])
      .openapi({ description: "Of the series: hours up to 7 days, then local days." }),
    series: z.array(started),
  })
  .openapi("Throughput");
export const latencyShape = z
  .object({
    totals: measureValues,
    histogram: z.array(
      z.object({
        name: z.string(),
        from_ms: z.number(),
        to_ms: z.number().nullable(),
        executions: count,
        share: ratio,
      }),
    ),
    distribution: z.array(
      z.object({ above_ms: z.number().nullable(), up_to_ms: z.number(), executions: count }),
    ),
  })
  .openapi("Latency");
export const patternsShape = z
  .object({
    heatmap: z.array(
      z.object({ day_of_week: count, hour_of_day: count, executions: count, success_rate: ratio }),
    ),
    peak_hours: z.array(z.object({ hour_of_day: count, executions: count })),
    peak_days: z.array(z.object({ day_of_week: count, executions: count })),
  })
  .openapi("Patterns");
export const runningShape = z
  .object({
    running: count,
    newest: z.array(
      z.object({
        id: z.string(),
        agent_id: z.string(),
        user_id: z.string().nullable(),
        started_at: z.string(),
        elapsed_ms: z.number(),
      }),
    ),
  })
  .openapi("RunningNow");

export const executionMetricsShape = z
  .object({
    realtime: runningShape,
    throughput: throughputShape,
    latency: latencyShape,
    patterns: patternsShape,
  })
  .openapi("ExecutionMetrics");
