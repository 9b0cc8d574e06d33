import { z } from "@hono/zod-openapi";
import {
  MAX_GROUPS,
  measureParam,
  measureValue,
  measureValues,
  timeframeParam,
  timezoneParam,
} from "../../http/metrics-params.ts";
import { callerIdParam, idParam, instantParam } from "../../http/params.ts";

const range = {
  timeframe: timeframeParam.optional(),
  from: instantParam.optional(),
  to: instantParam.optional(),
  timezone: timezoneParam.optional(),
};
const distinct = (list: readonly string[]) => new Set(list).size === list.length;
export const compareAgentsBody = z
  .strictObject({
    ...range,
    agent_ids: z.array(callerIdParam).min(2).max(10).refine(distinct, "must be different"),
  })
  .openapi("CompareAgents");
export const compareWorkspacesBody = z
  .strictObject({
    ...range,
    workspace_ids: z.array(idParam).min(2).max(20).refine(distinct, "must be different"),
  })
  .openapi("CompareWorkspaces");
const period = z.strictObject({ from: instantParam, to: instantParam });
export const comparePeriodsBody = z
  .strictObject({
    a: period,
    b: period,
    timezone: timezoneParam.optional(),
    agent_id: callerIdParam.optional(),
  })
  .openapi("ComparePeriods");
export const compareMetricsBody = z
  .strictObject({
    ...range,
    measure: measureParam,
    by: z
      .enum(["agent", "user", "model", "environment", "version"])
      .optional()
      .openapi({ description: "What the entities are; default agent." }),
    limit: z.int().min(2).max(MAX_GROUPS).optional().openapi({ description: "Default 20." }),
  })
  .openapi("CompareMetric");

const ratio = z.number().nullable();
const significance = z
  .object({
    test: z.enum(["two_proportion_z", "mann_whitney"]),
    tested: z.boolean(),
    reason: z.string().optional(),
    z: ratio,
    p_value: ratio,
    significant: z.boolean().nullable(),
    superiority: ratio.optional(),
  })
  .openapi("Significance");
const difference = z.object({
  measure: z.string(),
  good: z.enum(["up", "down"]).nullable(),
  best: z.string().nullable().openapi({
    description: "The winner; null where neither direction is good, or two are equal.",
  }),
  worst: z.string().nullable(),
  spread: measureValue,
  spread_ratio: ratio,
});
const pair = z.object({ a: z.string(), b: z.string(), measure: z.string(), significance });
export const entityComparisonShape = z
  .object({
    entities: z.array(
      z.object({
        id: z.string(),
        totals: measureValues,
        from: z.string().optional().openapi({ description: "Of a period: what was taken of it." }),
        to: z.string().optional(),
        complete: z.boolean().optional(),
        elapsed: z.boolean().optional().openapi({
          description: "Only the elapsed part of the other period, which has not ended.",
        }),
      }),
    ),
    differences: z.array(difference),
    tests: z.array(pair),
    winner: z
      .object({ id: z.string().nullable(), wins: z.record(z.string(), z.int()), basis: z.string() })
      .openapi({
        description:
          "The entity that is best in the most measures with a good direction; null when two are.",
      }),
  })
  .openapi("ComparisonOfEntities");
export const metricComparisonShape = z
  .object({
    measure: z.string(),
    by: z.string(),
    entities: z.array(
      z.object({
        id: z.string().nullable(),
        value: measureValue,
        executions: z.int(),
        percentile: ratio,
        deviation: ratio,
        outlier: z.boolean(),
      }),
    ),
    statistics: z.object({
      entities: z.int(),
      mean: ratio,
      median: ratio,
      min: ratio,
      max: ratio,
      stddev: ratio,
      p25: ratio,
      p75: ratio,
    }),
    total: measureValue,
    winner: z.string().nullable(),
    test: pair.nullable(),
  })
  .openapi("ComparisonOfMetric");
