import { z } from "@hono/zod-openapi";
import type { MeasureValue } from "../../analytics/catalog/measure.ts";
import {
  MAX_GROUPS,
  measureChanges,
  measureValue,
  measureValues,
  rangeAndFilterParams,
  rangeParams,
} from "../../http/metrics-params.ts";
import { wholeNumberParam } from "../../http/params.ts";

export const BUDGET_PERIODS = ["day", "week", "month"] as const;
const ratio = z.number().nullable();
const count = z.int();
const money = z
  .object({
    amount: z.string().nullable(),
    currency: z.string().nullable(),
    reason: z.string().nullable(),
  })
  .openapi("Money");

export const consumptionParams = z.strictObject({
  ...rangeAndFilterParams,
  granularity: z.enum(["hour", "day", "week", "month"]).optional(),
});
export const consumptionShape = z
  .object({
    credits: z.string(),
    cost: money,
    executions: count,
    credits_avg: z.string().nullable(),
    change: measureChanges,
    by_status: z.array(
      z.object({ status: z.string(), executions: count, credits: z.string(), share: ratio }),
    ),
    not_successful: z.object({ credits: z.string(), share: ratio, cost: money }),
    series: z.array(
      z.object({
        bucket: z.string(),
        complete: z.boolean(),
        credits: z.string(),
        cumulative: z.string(),
        executions: count,
      }),
    ),
  })
  .openapi("CreditConsumption");

export const creditBreakdownParams = z.strictObject({
  ...rangeAndFilterParams,
  by: z.enum(["model", "agent", "user"]),
  limit: wholeNumberParam(1, MAX_GROUPS).optional(),
});
/** The measures of a group; the row of all other groups also has `other: true`. */
const creditGroup = measureValues as z.ZodType as z.ZodType<
  Record<string, MeasureValue | true>,
  Record<string, MeasureValue | true>
>;
export const creditBreakdownShape = z
  .object({ by: z.string(), groups: z.array(creditGroup), totals: measureValues })
  .openapi("CreditBreakdown");

export const burnParams = z.strictObject({
  workspace_id: rangeParams.workspace_id,
  timezone: rangeParams.timezone,
  explain: rangeParams.explain,
});
const window = z.object({
  from: z.string(),
  to: z.string(),
  credits: z.string(),
  per_day: z.string(),
});
export const burnShape = z
  .object({
    today: z.object({ from: z.string(), credits: z.string() }),
    last_7_days: window,
    last_30_days: window,
    change_ratio: ratio,
    direction: z.looseObject({ trend: z.enum(["up", "down", "none"]) }),
    days: z.array(z.object({ day: z.string(), complete: z.boolean(), credits: z.string() })),
  })
  .openapi("CreditBurn");

const amount = z
  .union([
    z.number().min(0.000001).max(1e12),
    z
      .string()
      .regex(/^\d{1,12}(\.\d{1,6})?$/, "must be a decimal with at most 6 decimals")
      .refine((text) => Number(text) > 0, "must be more than 0"),
  ])
  .openapi({ example: "500.000000" });
export const budgetsInput = z
  .strictObject({
    budgets: z
      .array(z.strictObject({ period: z.enum(BUDGET_PERIODS), credits: amount }))
      .max(BUDGET_PERIODS.length),
  })
  .openapi("BudgetsInput");
const mark = z.object({
  share: z.number(),
  credits: z.string(),
  reached: z.boolean(),
  reached_at: z.string().nullable(),
});
export const budgetsShape = z
  .object({
    timezone: z.string(),
    budgets: z.array(
      z.object({
        period: z.enum(BUDGET_PERIODS),
        credits: z.string(),
        from: z.string(),
        to: z.string(),
        spent: z.string(),
        remaining: z.string(),
        used_share: ratio,
        exceeded: z.boolean(),
        marks: z.array(mark),
        updated_at: z.string(),
        updated_by: z.string(),
      }),
    ),
  })
  .openapi("Budgets");

export const optimizationsParams = z.strictObject(rangeParams);
export const optimizationsShape = z
  .array(
    z.object({
      kind: z.string(),
      title: z.string(),
      text: z.string(),
      saving: z.object({ credits: z.string(), cost: money, assumption: z.string() }),
      evidence: z.record(z.string(), measureValue),
    }),
  )
  .openapi("CreditOptimizations");
