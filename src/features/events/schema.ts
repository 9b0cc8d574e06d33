import { z } from "@hono/zod-openapi";
import { documentInput, idInput, textInput, timeInput } from "../../http/fields.ts";
import { documentOutput } from "../../store/document.ts";

export const eventInput = z
  .strictObject({
    id: idInput.optional(),
    event_type: textInput(128).min(1),
    event_name: textInput(256).min(1).nullish(),
    user_id: idInput,
    session_id: idInput.nullish(),
    occurred_at: timeInput.optional(),
    properties: documentInput.nullish(),
  })
  .openapi("EventInput");

export const event = z
  .object({
    id: z.string(),
    event_type: z.string(),
    event_name: z.string().nullable(),
    user_id: z.string(),
    session_id: z.string().nullable(),
    occurred_at: z.string(),
    properties: documentOutput.nullable(),
  })
  .openapi("Event");
