import { z } from "@hono/zod-openapi";
import { STEP_ORDERS } from "../../analytics/funnels/rules.ts";
import { textInput } from "../../http/fields.ts";
import {
  fieldName,
  filterShape,
  rangeParams,
  timeframeParam,
  timezoneParam,
} from "../../http/metrics-params.ts";
import { idParam, instantParam, pageParams, wholeNumberParam } from "../../http/params.ts";

export const MAX_STEPS = 10;

const filters = z.array(filterShape).max(10).optional();
const wanted = {
  kind: z.enum(["event", "execution"]),
  event_type: textInput(128).optional(),
  event_name: textInput(256).optional(),
  filters,
};
const exclusion = z
  .strictObject({
    ...wanted,
    from_step: z.int().min(1).max(MAX_STEPS).optional().openapi({ description: "Default 1." }),
    to_step: z
      .int()
      .min(1)
      .max(MAX_STEPS)
      .optional()
      .openapi({ description: "Default: the last." }),
  })
  .openapi("FunnelExclusion", {
    description:
      "Ends an attempt where it stands after from_step and before a step up to to_step. In any order it has no steps.",
  });
export const funnelDefinition = z
  .strictObject({
    steps: z
      .array(z.strictObject({ name: textInput(128).min(1), ...wanted }))
      .min(2)
      .max(MAX_STEPS),
    order: z.enum(STEP_ORDERS).optional().openapi({
      description:
        "ordered (default): step by step, whatever stands between. strict: no moment of another step stands between. contiguous: nothing that the user does stands between, no event and no execution. any: in any order, each step by a moment of its own.",
    }),
    window_seconds: z
      .int()
      .min(1)
      .max(366 * 86_400)
      .optional()
      .openapi({
        description: "From the first step to the last, its end included; default 7 days.",
      }),
    exclusions: z.array(exclusion).max(5).optional(),
    same_instant: z.enum(["counts", "does_not"]).optional().openapi({
      description:
        "Whether a step at the very instant of the one before comes after it. Default counts.",
    }),
  })
  .openapi("FunnelDefinition");
export type FunnelDefinition = z.output<typeof funnelDefinition>;

export const funnelInput = z
  .strictObject({
    name: textInput(256).min(1),
    description: textInput(1024).nullish(),
    definition: funnelDefinition,
  })
  .openapi("FunnelInput");
export const funnelShape = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    definition: funnelDefinition,
    created_at: z.string(),
    updated_at: z.string(),
    created_by: z.string(),
  })
  .openapi("Funnel");
export const funnelParam = z.object({ id: idParam });
export const funnelListParams = z.strictObject({
  ...pageParams,
  workspace_id: rangeParams.workspace_id,
});

const asked = {
  timeframe: timeframeParam.optional(),
  from: instantParam.optional(),
  to: instantParam.optional(),
  timezone: timezoneParam.optional(),
  breakdown: fieldName
    .optional()
    .openapi({ description: "A property of the first step, e.g. model or properties.plan." }),
  granularity: z
    .enum(["day", "week", "month"])
    .optional()
    .openapi({ description: "Of the trend; default day." }),
};
export const analyzeBody = z.strictObject(asked).openapi("FunnelQuestion");
export const analyzeUnsaved = z
  .strictObject({ definition: funnelDefinition, ...asked })
  .openapi("FunnelQuestionUnsaved");
export type FunnelQuestion = z.output<typeof analyzeBody>;

export const JOURNEY_OUTCOMES = ["reached", "converted", "dropped", "in_progress"] as const;
export const journeysParams = z.strictObject({
  workspace_id: rangeParams.workspace_id,
  timeframe: rangeParams.timeframe,
  from: rangeParams.from,
  to: rangeParams.to,
  timezone: rangeParams.timezone,
  limit: pageParams.limit,
  cursor: pageParams.cursor,
  include_total: pageParams.include_total,
  step: wholeNumberParam(1, MAX_STEPS).optional().openapi({ description: "Default 1." }),
  outcome: z.enum(JOURNEY_OUTCOMES).optional().openapi({
    description:
      "reached: came to the step (default); dropped: came to it and no further; in_progress: came to it, and may still come further; converted: came to the last step.",
  }),
});

const ratio = z.number().nullable();
const steps = z.array(
  z.object({
    step: z.int(),
    name: z.string(),
    users: z.int(),
    conversion_rate: ratio,
    step_conversion_rate: ratio,
    dropped_users: z.int(),
    in_progress_users: z.int(),
    drop_off_rate: ratio,
    time_to_convert_ms: z.object({ median: ratio, p90: ratio }).nullable(),
  }),
);
export const funnelAnalysisShape = z
  .object({
    steps,
    conversion_rate: ratio,
    biggest_drop_off: z
      .object({ step: z.int(), name: z.string(), dropped_users: z.int(), drop_off_rate: ratio })
      .nullable(),
    breakdown: z
      .array(z.object({ value: z.string().nullable(), other: z.boolean(), steps }))
      .nullable(),
    trend: z.array(
      z.object({
        bucket: z.string(),
        entered: z.int(),
        converted: z.int(),
        in_progress: z.int(),
        conversion_rate: ratio,
      }),
    ),
  })
  .openapi("FunnelAnalysis");
export const funnelJourneysShape = z
  .array(
    z.object({
      user_id: z.string(),
      level: z.int(),
      entered_at: z.string(),
      step_times: z.array(z.string()),
      converted: z.boolean(),
      in_progress: z.boolean(),
    }),
  )
  .openapi("FunnelJourneys");
