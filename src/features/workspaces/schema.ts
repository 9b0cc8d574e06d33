import { z } from "@hono/zod-openapi";
import { ROLES } from "../../auth/actor.ts";
import { textInput } from "../../http/fields.ts";
import {
  bucketValues,
  measureChanges,
  measureParam,
  measureValues,
  rangeParams,
} from "../../http/metrics-params.ts";
import { idParam, pageParams } from "../../http/params.ts";

const ratio = z.number().nullable();
const count = z.int();
export const workspacePath = z.object({ id: idParam });
const { workspace_id: _workspaceId, ...range } = rangeParams;
export const overviewParams = z.strictObject(range);
export const workspaceListParams = z.strictObject({
  ...rangeParams,
  limit: pageParams.limit,
  cursor: pageParams.cursor,
  include_total: pageParams.include_total,
});
export const groupParams = z.strictObject({
  ...range,
  ...pageParams,
  sort: measureParam.extract(["executions", "success_rate", "credits", "duration_avg"]).optional(),
  direction: z.enum(["asc", "desc"]).optional(),
});

const settings = {
  name: z.string().nullable(),
  timezone: z.string().nullable(),
  credit_price: z.string().nullable(),
  currency: z.string().nullable(),
  retention_days: count.nullable(),
  stale_after_minutes: count.nullable(),
};
export const settingsShape = z.object({ id: z.string(), ...settings }).openapi("WorkspaceSettings");
export const settingsChange = z
  .strictObject({
    name: textInput(256).min(1).nullish(),
    timezone: z.string().max(64).nullish().openapi({ description: "A name of the IANA database." }),
    credit_price: z
      .union([
        z
          .number()
          .min(0)
          .max(1e9)
          .transform((price) => price.toFixed(10)),
        z.string().regex(/^\d{1,10}(\.\d{1,10})?$/, "must be a decimal with at most 10 decimals"),
      ])
      .nullish()
      .openapi({ type: "string", example: "0.01" }),
    currency: z
      .string()
      .regex(/^[A-Z]{3}$/, "must be a code of ISO 4217")
      .nullish(),
    retention_days: z.int().min(1).max(3650).nullish().openapi({
      description: "Executions and events that are older are deleted each night; null keeps them.",
    }),
    stale_after_minutes: z.int().min(1).max(525_600).nullish(),
  })
  .openapi("WorkspaceSettingsChange");

export const workspaceListShape = z
  .array(
    z.object({
      id: z.string(),
      name: z.string().nullable(),
      role: z.enum(ROLES),
      totals: measureValues,
    }),
  )
  .openapi("Workspaces");
const health = z
  .object({
    score: ratio,
    parts: z.array(
      z.object({ name: z.string(), weight: z.number(), value: ratio, how: z.string() }),
    ),
  })
  .openapi("WorkspaceHealth");
export const workspaceOverviewShape = z
  .object({
    id: z.string(),
    ...settings,
    health,
    totals: measureValues,
    change: measureChanges,
    users: z.object({ active: count, recent: count, regular: count }),
    first_execution_at: z.string().nullable(),
    last_execution_at: z.string().nullable(),
  })
  .openapi("WorkspaceOverview");
export const workspaceMembersShape = z
  .array(
    z.looseObject({
      id: z.string(),
      engagement: z.enum(["high", "medium", "low"]),
      last_activity_at: z.string().nullable(),
    }),
  )
  .openapi("WorkspaceMembers");
export const workspaceAgentsShape = z
  .array(z.looseObject({ id: z.string() }))
  .openapi("WorkspaceAgents");
export const workspaceAnalyticsShape = z
  .object({
    id: z.string(),
    health,
    totals: measureValues,
    change: measureChanges,
    members: z.object({
      active: count,
      recent: count,
      regular: count,
      top: z.array(z.looseObject({ id: z.string() })),
    }),
    agents: z.object({ active: count, top: z.array(z.looseObject({ id: z.string() })) }),
    consumption: z.object({
      credits: z.string(),
      credits_per_day: z.string(),
      days: z.array(bucketValues),
    }),
  })
  .openapi("WorkspaceAnalytics");
