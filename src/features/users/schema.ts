import { z } from "@hono/zod-openapi";
import { RETENTION_MODES } from "../../analytics/users/retention.ts";
import { textInput } from "../../http/fields.ts";
import { measureParam, measureValues, rangeParams } from "../../http/metrics-params.ts";
import { callerIdPath, pageParams, wholeNumberParam } from "../../http/params.ts";

export const userParam = z.object({ id: callerIdPath });
const calendar = z.enum(["day", "week", "month"]);
const count = z.int();
const ratio = z.number().nullable();

export const USER_SORTS = [
  "executions",
  "success_rate",
  "credits",
  "tokens_in",
  "tokens_out",
  "duration_avg",
  "active_agents",
  "failures",
] as const;
export const userListParams = z.strictObject({
  ...rangeParams,
  ...pageParams,
  q: textInput(128).optional().openapi({ description: "Users whose id contains this." }),
  sort: measureParam.extract(USER_SORTS).optional().openapi({ description: "Default executions." }),
  direction: z.enum(["asc", "desc"]).optional(),
});
const seen = { first_activity_at: z.string().nullable(), last_activity_at: z.string().nullable() };
export const userListShape = z.array(measureValues).openapi("UserList");
export const userShape = z
  .object({ id: z.string(), ...seen, totals: measureValues })
  .openapi("User");

export const userTimelineParams = z.strictObject({
  ...pageParams,
  workspace_id: rangeParams.workspace_id,
  from: rangeParams.from,
  to: rangeParams.to,
});
export const timelineEntryShape = z
  .object({
    id: z.string().openapi({ description: "`execution:` or `event:`, and the id." }),
    kind: z.enum(["execution", "event"]),
    at: z.string(),
    agent_id: z.string().nullable(),
    status: z.string().nullable(),
    event_type: z.string().nullable(),
    event_name: z.string().nullable(),
    session_id: z.string().nullable(),
  })
  .openapi("TimelineEntry");

export const activityParams = z.strictObject(rangeParams);
export const userActivityShape = z
  .object({
    latest: z
      .object({ day: z.string(), dau: count, wau: count, mau: count, stickiness: ratio })
      .nullable(),
    active_users: count,
    days: z.array(
      z.object({
        day: z.string(),
        dau: count,
        wau: count,
        mau: count,
        stickiness: ratio,
        new: count,
        returning: count,
        resurrected: count,
        dormant: count,
        complete: z.boolean(),
      }),
    ),
    sessions: z.object({
      sessions: count,
      users: count,
      sessions_per_user: ratio,
      activities_per_session: ratio,
      duration_ms: z.object({ avg: ratio, p50: ratio, p90: ratio }),
      single_activity_rate: ratio,
      lengths: z.array(z.object({ name: z.string(), sessions: count })),
    }),
    feature_use: z.array(
      z.object({
        event_type: z.string(),
        event_name: z.string().nullable(),
        events: count,
        users: count,
        adoption_rate: ratio,
      }),
    ),
    heatmap: z.array(z.object({ day_of_week: count, hour_of_day: count, executions: count })),
  })
  .openapi("UserActivity");

const cohortParams = {
  ...rangeParams,
  granularity: calendar.optional().openapi({ description: "Default week." }),
  cohort: z.enum(["first_activity", "first_success", "event"]).optional().openapi({
    description:
      "The activity that makes a user a member: the first one ever (default), the first successful execution, or the first event of a kind.",
  }),
  event_type: textInput(128).optional(),
  event_name: textInput(256).optional(),
};
export const cohortsParams = z.strictObject(cohortParams);
export const retentionParams = z.strictObject({
  ...cohortParams,
  mode: z.enum(RETENTION_MODES).optional().openapi({
    description:
      "classic: active in that bucket (default); rolling: active in it or later; bounded: active at least once from offset 1 up to it.",
  }),
  return_event_type: textInput(128).optional(),
  return_event_name: textInput(256).optional(),
  max_offset: wholeNumberParam(1, 400).optional().openapi({ description: "Default 30." }),
});
const cell = z.object({ offset: count, users: count, rate: ratio, complete: z.boolean() });
export const retentionShape = z
  .object({
    mode: z.enum(RETENTION_MODES),
    granularity: calendar,
    cohorts: z.array(
      z.object({ cohort: z.string(), size: count, complete: z.boolean(), cells: z.array(cell) }),
    ),
    curve: z.array(
      z.object({ offset: count, users: count, size: count, rate: ratio, cohorts: count }),
    ),
  })
  .openapi("Retention");
export const cohortsShape = z
  .object({
    granularity: calendar,
    cohorts: z.array(
      z.object({
        cohort: z.string(),
        size: count,
        complete: z.boolean(),
        returned: count,
        returned_rate: ratio,
        still_active: count,
        still_active_rate: ratio,
      }),
    ),
  })
  .openapi("Cohorts");

export const churnParams = z.strictObject({
  workspace_id: rangeParams.workspace_id,
  to: rangeParams.to,
  timezone: rangeParams.timezone,
  explain: rangeParams.explain,
  window_days: wholeNumberParam(1, 365).optional().openapi({ description: "Default 30." }),
  windows: wholeNumberParam(1, 24)
    .optional()
    .openapi({ description: "How many windows to look back on; default 6." }),
});
export const churnShape = z
  .object({
    window_days: count,
    churn_rate: ratio,
    churned_users: count.nullable(),
    active_before: count,
    windows: z.array(
      z.object({
        from: z.string(),
        to: z.string(),
        active_before: count,
        churned_users: count,
        kept_users: count,
        churn_rate: ratio,
        complete: z.boolean(),
      }),
    ),
  })
  .openapi("Churn");
