import { z } from "@hono/zod-openapi";

export const deadLetter = z
  .object({
    id: z.string(),
    type: z.string(),
    body: z.unknown(),
    reason: z.string(),
    attempts: z.int(),
    dead_at: z.string(),
    replayed_at: z.string().nullable(),
    replayed_by: z.string().nullable(),
  })
  .openapi("DeadLetter");
