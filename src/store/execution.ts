import { z } from "@hono/zod-openapi";
import { documentOutput } from "./document.ts";

export const FINAL_STATUSES = ["success", "failure", "timeout", "cancelled"] as const;

export const EXECUTION_STATUSES = ["running", ...FINAL_STATUSES] as const;

export const executionShape = z
  .object({
    id: z.string(),
    agent_id: z.string(),
    user_id: z.string().nullable(),
    status: z.enum(EXECUTION_STATUSES),
    started_at: z.string(),
    ended_at: z.string().nullable(),
    duration_ms: z.number().nullable(),
    credits: z.string().nullable(),
    tokens_in: z.number().nullable(),
    tokens_out: z.number().nullable(),
    model: z.string().nullable(),
    parent_execution_id: z.string().nullable(),
    environment: z.string().nullable(),
    version: z.string().nullable(),
    error: z.object({ type: z.string(), message: z.string().nullable() }).nullable(),
    metadata: documentOutput.nullable(),
    revision: z.number(),
    stale: z.boolean().openapi({ description: "Closed as timeout because it fell silent." }),
  })
  .openapi("Execution");

export type Execution = z.output<typeof executionShape>;
