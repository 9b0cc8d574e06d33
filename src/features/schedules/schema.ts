import { z } from "@hono/zod-openapi";
import { textInput } from "../../http/fields.ts";
import { timezoneParam } from "../../http/metrics-params.ts";
import { idParam } from "../../http/params.ts";
import { recurrenceShape, type Schedule, scheduleRow } from "../../jobs/schedules.ts";
import type { ScheduleKind } from "./kinds.ts";

type Target = ScheduleKind["target"];

/** Body of POST and PUT; `target` is the name of the field for what is run. */
export const scheduleInput = (target: Target) =>
  z.strictObject({
    name: textInput(255).min(1),
    [target]: idParam,
    recurrence: recurrenceShape,
    timezone: timezoneParam.optional(),
    enabled: z.boolean().optional(),
  });

export const scheduleShape = (target: Target) =>
  z.object({
    ...scheduleRow.omit({ target_id: true }).shape,
    [target]: z.string(),
  });
export type ScheduleAnswer = z.output<ReturnType<typeof scheduleShape>>;

export const shownSchedule = ({ target_id, ...rest }: Schedule, target: Target): ScheduleAnswer =>
  ({ ...rest, [target]: target_id }) as ScheduleAnswer;
