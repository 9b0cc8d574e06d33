import { z } from "@hono/zod-openapi";
import { textInput } from "../../http/fields.ts";
import {
  measureChanges,
  measureParam,
  measureValue,
  measureValues,
  rangeParams,
} from "../../http/metrics-params.ts";
import { callerIdPath, pageParams } from "../../http/params.ts";

export const agentParam = z.object({ id: callerIdPath });
export const AGENT_SORTS = [
  "executions",
  "success_rate",
  "failures",
  "duration_avg",
  "duration_p95",
  "credits",
  "active_users",
  "errors",
] as const;
export const agentListParams = z.strictObject({
  ...rangeParams,
  ...pageParams,
  q: textInput(128).optional().openapi({ description: "Agents whose id or name contains this." }),
  label: textInput(64).optional(),
  sort: measureParam
    .extract(AGENT_SORTS)
    .optional()
    .openapi({ description: "Default executions." }),
  direction: z.enum(["asc", "desc"]).optional(),
});
const identity = { id: z.string(), name: z.string().nullable(), labels: z.array(z.string()) };
export const agentNameShape = z.object(identity).openapi("AgentName");
export const agentListShape = z
  .array(z.looseObject({ ...identity, last_execution_at: z.string().nullable() }))
  .openapi("AgentList");
const label = textInput(64).min(1);
export const agentChange = z
  .strictObject({
    name: textInput(256).min(1).nullish(),
    labels: z.array(label).max(20).optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "Give a name or labels.")
  .openapi("AgentChange");

const seen = {
  first_execution_at: z.string().nullable(),
  last_execution_at: z.string().nullable(),
};
export const agentShape = z
  .object({ ...identity, ...seen, totals: measureValues })
  .openapi("Agent");
const count = z.int();
const ratio = z.number().nullable();
const classes = z.array(
  z.object({
    name: z.string(),
    from_ms: z.number(),
    to_ms: z.number().nullable(),
    executions: count,
    share: ratio,
  }),
);
const distribution = z.array(
  z.object({ above_ms: z.number().nullable(), up_to_ms: z.number(), executions: count }),
);
export const agentStatsShape = z
  .object({ id: z.string(), totals: measureValues, histogram: classes, distribution })
  .openapi("AgentStats");
const group = z.looseObject({});
export const agentAnalyticsShape = z
  .object({
    ...identity,
    performance: z.object({
      totals: measureValues,
      runs_per_hour: ratio,
      histogram: classes,
      distribution,
    }),
    resources: z.object({ models: z.array(group), totals: measureValues }),
    errors: z.array(group),
    users: z.object({ active_users: count, top: z.array(group) }),
    usage: z.array(z.object({ day_of_week: count, hour_of_day: count, executions: count })),
    comparison: z.object({
      previous_period: measureChanges,
      workspace: z.record(
        z.string(),
        z.object({ agent: measureValue, workspace: measureValue, change_ratio: ratio }),
      ),
    }),
    trend: z.object({
      days: z.array(
        z.object({
          bucket: z.string(),
          complete: z.boolean(),
          executions: count,
          success_rate: ratio,
          duration_p95: ratio,
          credits: z.string(),
        }),
      ),
      direction: z.looseObject({ trend: z.enum(["up", "down", "none"]) }),
    }),
    suggestions: z.array(
      z.object({
        kind: z.string(),
        title: z.string(),
        text: z.string(),
        evidence: z.record(z.string(), measureValue),
      }),
    ),
  })
  .openapi("AgentAnalytics");
