import { z } from "@hono/zod-openapi";
import {
  bucketValues,
  measureChanges,
  measureValue,
  rangeParams,
} from "../../http/metrics-params.ts";

export const executiveParams = z.strictObject(rangeParams);

const ratio = z.number().nullable();
const figureShape = z
  .object({
    value: measureValue,
    previous: measureValue,
    change: measureValue,
    change_ratio: ratio,
    direction: z.enum(["up", "down", "flat"]).nullable(),
    good: z.enum(["up", "down"]).nullable(),
    query: z.string(),
  })
  .openapi("Figure");
const moneyShape = z.object({
  amount: z.string().nullable(),
  currency: z.string().nullable(),
  reason: z.string().nullable(),
});
const costShape = moneyShape.extend({
  previous_amount: z.string().nullable(),
  change_ratio: ratio,
  query: z.string(),
});
const kpisShape = z.record(z.string(), figureShape);
const usersShape = z.object({
  day: z.string().nullable(),
  complete: z.boolean().openapi({
    description: "False until the first day of the range has ended: nothing is compared before.",
  }),
  dau: figureShape,
  wau: figureShape,
  mau: figureShape,
  stickiness: figureShape,
  new_users: figureShape,
  resurrected_users: figureShape,
  dormant_users: figureShape,
});
const topAgentsShape = z.array(
  z.looseObject({ agent: z.string(), comparison: measureChanges, query: z.string() }),
);
const trendsShape = z.object({
  days: z.array(bucketValues),
  directions: z.record(z.string(), z.looseObject({ trend: z.enum(["up", "down", "none"]) })),
  query: z.string(),
});

export const executiveKpisShape = z
  .object({ kpis: kpisShape, cost: costShape, revenue: moneyShape })
  .openapi("ExecutiveKpis");
export const executiveOverviewShape = z
  .object({
    kpis: kpisShape,
    users: usersShape,
    top_agents: topAgentsShape,
    cost: costShape,
    revenue: moneyShape,
  })
  .openapi("ExecutiveOverview");
export const executiveTrendsShape = trendsShape.openapi("ExecutiveTrends");
export const executiveDashboardShape = z
  .object({
    kpis: kpisShape,
    users: usersShape,
    top_agents: topAgentsShape,
    trends: trendsShape,
    cost: costShape,
    revenue: moneyShape,
  })
  .openapi("ExecutiveDashboard");
