import { z } from "@hono/zod-openapi";
import { ERROR_STATUSES } from "../../analytics/errors/error-filter.ts";
import { textInput } from "../../http/fields.ts";
import { granularityParam, rangeParams } from "../../http/metrics-params.ts";
import { callerIdParam, pageParams } from "../../http/params.ts";

export const errorParam = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/, "must be the id of an error group"),
});
export const errorListParams = z.strictObject({
  ...rangeParams,
  ...pageParams,
  status: z.enum(ERROR_STATUSES).optional(),
  agent_id: callerIdParam.optional(),
  user_id: callerIdParam.optional(),
  q: textInput(256).optional().openapi({ description: "Contained in the type or the message." }),
});
export const errorTimelineParams = z.strictObject({
  ...rangeParams,
  granularity: granularityParam.optional().openapi({ description: "Default day." }),
  agent_id: callerIdParam.optional(),
});
export const errorDetailParams = z.strictObject({
  ...rangeParams,
  granularity: granularityParam
    .optional()
    .openapi({ description: "Of the timeline; default day." }),
});
export const errorDecisionInput = z
  .strictObject({ note: textInput(2000).nullish() })
  .openapi("ErrorDecision");

const count = z.int();
const fields = {
  id: z.string(),
  error_type: z.string(),
  sample_message: z.string().nullable(),
  sample_execution_id: z.string(),
  status: z.enum(ERROR_STATUSES),
  reopened: z.boolean(),
  executions: count,
  users: count,
  agents: count,
  credits_lost: z.string(),
  first_seen_at: z.string(),
  last_seen_at: z.string(),
  share: z.number(),
};
export const errorListShape = z.array(z.object(fields)).openapi("ErrorGroups");
const owners = z.array(z.object({ id: z.string(), errors: count }));
export const errorStateShape = z
  .object({
    id: z.string(),
    status: z.enum(ERROR_STATUSES),
    note: z.string().nullable(),
    changed_at: z.string(),
    changed_by: z.string(),
  })
  .openapi("ErrorState");
export const errorGroupShape = z
  .object({
    ...fields,
    decision: errorStateShape.nullable(),
    top_agents: owners,
    top_users: owners,
    timeline: z.array(
      z.object({ bucket: z.string(), complete: z.boolean(), errors: count, users: count }),
    ),
  })
  .openapi("ErrorGroup");
export const errorTimelineShape = z
  .array(
    z.object({
      bucket: z.string(),
      complete: z.boolean(),
      errors: count,
      executions: count,
      error_rate: z.number().nullable(),
    }),
  )
  .openapi("ErrorTimeline");
