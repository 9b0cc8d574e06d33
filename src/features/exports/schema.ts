import { z } from "@hono/zod-openapi";
import { MEASURE_NAMES } from "../../analytics/catalog/measures.ts";
import { NAMED_RANGES } from "../../analytics/time/calendar-ranges.ts";
import { FORMAT_NAMES } from "../../formats/table.ts";
import { textInput } from "../../http/fields.ts";
import {
  fieldName,
  filterShape,
  granularityParam,
  groupBy,
  MAX_GROUPS,
  measureParam,
  orderBy,
  timeframeParam,
  timezoneParam,
} from "../../http/metrics-params.ts";
import { idParam, instantParam, pageParams, workspaceParam } from "../../http/params.ts";
import { SOURCE_NAMES } from "./sources/catalog.ts";

export const EXPORT_STATUSES = [
  "queued",
  "running",
  "done",
  "failed",
  "cancelled",
  "expired",
] as const;

export const metricsQuestion = z.strictObject({
  measures: z.array(measureParam).min(1).max(MEASURE_NAMES.length),
  granularity: granularityParam.optional(),
  group_by: groupBy.optional(),
  order_by: orderBy.optional(),
  limit: z.int().min(1).max(MAX_GROUPS).optional(),
});

/** The content of an export, its range aside. */
const subject = {
  source: z.enum(SOURCE_NAMES),
  format: z.enum(FORMAT_NAMES),
  timezone: timezoneParam.optional(),
  filters: z.array(filterShape).max(20).optional(),
  columns: z
    .array(fieldName)
    .min(1)
    .max(64)
    .optional()
    .openapi({
      description: [
        "Default: all columns of the source.",
        "Executions also have `metadata.<key>`, events `properties.<key>`.",
      ].join(" "),
    }),
  query: metricsQuestion
    .optional()
    .openapi({ description: "For the source metrics: the question, its range and filters aside." }),
  gzip: z.boolean().optional().openapi({ description: "For csv, ndjson and json." }),
  neutralize: z
    .boolean()
    .optional()
    .openapi({
      description: [
        "CSV: a text that begins with = + - @ (full-width too), tab, CR or LF gets an apostrophe,",
        "so that no spreadsheet runs it. Default true.",
      ].join(" "),
    }),
};
const relative = {
  timeframe: timeframeParam.optional(),
  range: z
    .enum(NAMED_RANGES)
    .optional()
    .openapi({ description: "Whole local days, weeks (from Monday), months or quarters." }),
};

export const exportInput = z
  .strictObject({
    ...subject,
    ...relative,
    from: instantParam.optional(),
    to: instantParam.optional(),
  })
  .openapi("ExportInput");
export type ExportInput = z.output<typeof exportInput>;
/** A question that is asked again has no fixed range. */
export const exportTemplateRequest = z
  .strictObject({ ...subject, ...relative })
  .openapi("ExportTemplateRequest");

/** The request with its range fixed and its defaults filled in. */
export const exportRequest = z.object({
  ...subject,
  from: z.string(),
  to: z.string(),
  timezone: z.string(),
  filters: z.array(filterShape),
  columns: z.array(z.string()),
  gzip: z.boolean(),
  neutralize: z.boolean(),
});
export type ExportRequest = z.output<typeof exportRequest>;

export const exportFile = z.object({
  name: z.string(),
  content_type: z.string(),
  rows: z.int(),
  bytes: z.int(),
  parts: z
    .array(z.object({ rows: z.int(), bytes: z.int(), sha256: z.string() }))
    .openapi({ description: "Digests of its consecutive parts." }),
});
export type ExportFile = z.output<typeof exportFile>;

export const exportJob = z
  .object({
    id: z.string(),
    source: z.enum(SOURCE_NAMES),
    format: z.enum(FORMAT_NAMES),
    status: z.enum(EXPORT_STATUSES),
    request: exportRequest,
    as_of: z.string().nullable().openapi({ description: "The moment that all rows are of." }),
    rows_done: z.int(),
    rows_expected: z.int().nullable(),
    remaining_ms: z
      .int()
      .nullable()
      .openapi({ description: "Estimated from the rows so far; null when nothing can be said." }),
    files: z.array(exportFile),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    attempts: z.int(),
    template_id: z.string().nullable(),
    schedule_id: z.string().nullable(),
    created_at: z.string(),
    created_by: z.string(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    expires_at: z.string().nullable(),
  })
  .openapi("Export");
export type ExportJob = z.output<typeof exportJob>;

export const exportParam = z.object({ id: idParam });
export const exportFileParam = z.object({
  id: idParam,
  n: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .openapi({ type: "integer" }),
});
export const exportListParams = z.strictObject({
  ...workspaceParam,
  ...pageParams,
  status: z.enum(EXPORT_STATUSES).optional(),
  source: z.enum(SOURCE_NAMES).optional(),
});

export const downloadLinkInput = z.strictObject({
  file: z.int().min(0).max(9999).optional().openapi({ description: "Default 0." }),
  expires_in_seconds: z
    .int()
    .min(3_600)
    .max(604_800)
    .optional()
    .openapi({ description: "1 hour to 7 days; default 1 day." }),
});
export const downloadLink = z
  .object({ url: z.string(), expires_at: z.string() })
  .openapi("DownloadLink");

export const exportTemplateInput = z.strictObject({
  name: textInput(255).min(1),
  description: textInput(2000).nullish(),
  request: exportTemplateRequest,
});
export const exportTemplate = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    request: exportTemplateRequest,
    created_at: z.string(),
    created_by: z.string(),
  })
  .openapi("ExportTemplate");
