import { z } from "@hono/zod-openapi";
import { filterShape } from "../../../http/metrics-params.ts";
import { recipients, storedRecipient } from "../definition/recipient-schema.ts";
import { REPORT_FORMATS } from "../definition/schema.ts";
import { sectionShape } from "../definition/section-schema.ts";

export const RUN_STATUSES = [
  "queued",
  "running",
  "done",
  "failed",
  "cancelled",
  "expired",
] as const;

/** The definition of a run: nothing in it moves any more. */
export const runRequest = z.object({
  name: z.string(),
  description: z.string().nullable(),
  sections: z.array(sectionShape),
  format: z.enum(REPORT_FORMATS),
  from: z.string(),
  to: z.string(),
  timezone: z.string(),
  filters: z.array(filterShape),
  recipients,
});

export type RunRequest = z.output<typeof runRequest>;

export const storedRunRequest = runRequest.extend({ recipients: z.array(storedRecipient) });

export type StoredRunRequest = z.output<typeof storedRunRequest>;

export const runFile = z.object({
  name: z.string(),
  content_type: z.string(),
  bytes: z.int(),
  sha256: z.string(),
});

export const reportRun = z
  .object({
    id: z.string(),
    report_id: z.string(),
    status: z.enum(RUN_STATUSES),
    progress: z.int().openapi({ description: "Percent." }),
    section: z.string().nullable().openapi({ description: "The section at work." }),
    request: runRequest,
    as_of: z
      .string()
      .nullable()
      .openapi({ description: "The one moment that every figure is of." }),
    file: runFile.nullable(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    attempts: z.int(),
    downloads: z.int(),
    created_at: z.string(),
    created_by: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    expires_at: z.string().nullable(),
  })
  .openapi("ReportRun");

export type ReportRun = z.output<typeof reportRun>;

export const reportUsageShape = z.object({
  report_id: z.string(),
  name: z.string().nullable(),
  runs: z.int(),
  failed: z.int(),
  downloads: z.int(),
  views: z.int(),
  seconds_avg: z.number().nullable(),
});
