import { z } from "@hono/zod-openapi";
import { textInput } from "../../../http/fields.ts";
import { recipientShape } from "../definition/recipient-schema.ts";

export const shareInput = z.strictObject({
  expires_in_days: z.int().min(1).max(90).optional().openapi({ description: "Default 7." }),
  password: textInput(256).min(8).optional(),
});

export const shareShape = z
  .object({
    id: z.string(),
    run_id: z.string(),
    protected: z.boolean(),
    views: z.int(),
    created_at: z.string(),
    created_by: z.string(),
    expires_at: z.string(),
    revoked_at: z.string().nullable(),
  })
  .openapi("ReportShare");

export const deliveryShape = z
  .object({
    id: z.string(),
    run_id: z.string(),
    recipient: recipientShape,
    status: z.enum(["waiting", "sending", "delivered", "failed"]),
    attempts: z.int(),
    answer: z
      .string()
      .nullable()
      .openapi({ description: "Status and begin of the last answer, or why there was none." }),
    created_at: z.string(),
    attempted_at: z.string().nullable(),
    delivered_at: z.string().nullable(),
  })
  .openapi("ReportDelivery");
