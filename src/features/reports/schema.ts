import { z } from "@hono/zod-openapi";
import { DIMENSIONS } from "../../analytics/catalog/dimensions.ts";
import { NAMED_RANGES } from "../../analytics/time/calendar-ranges.ts";
import { RETENTION_MODES } from "../../analytics/users/retention.ts";
import { textInput } from "../../http/fields.ts";
import {
  filterShape,
  granularityParam,
  measureParam,
  metaShape,
  timeframeParam,
  timezoneParam,
} from "../../http/metrics-params.ts";
import { idParam, instantParam, pageParams, workspaceParam } from "../../http/params.ts";

export const FORMATS = ["pdf", "html", "xlsx", "csv", "json"] as const;
export const RUN_STATUSES = [
  "queued",
  "running",
  "done",
  "failed",
  "cancelled",
  "expired",
] as const;

const title = textInput(255).min(1);
const dimension = z.enum(
  Object.keys(DIMENSIONS) as [keyof typeof DIMENSIONS, ...(keyof typeof DIMENSIONS)[]],
);
const ranking = {
  by: dimension,
  measure: measureParam,
  limit: z.int().min(1).max(100).optional(),
  direction: z.enum(["asc", "desc"]).optional(),
};

export const section = z
  .discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("text"),
      title: title.optional(),
      text: textInput(10_000).min(1).openapi({
        description:
          "Paragraphs; {{measure}} and {{from}}, {{to}}, {{workspace}}, {{report}} are filled in.",
      }),
    }),
    z.strictObject({
      type: z.literal("metrics"),
      title,
      measures: z.array(measureParam).min(1).max(12),
    }),
    z.strictObject({
      type: z.literal("chart"),
      title,
      chart: z.enum(["line", "area", "bar", "heatmap"]),
      measure: measureParam,
      granularity: granularityParam
        .optional()
        .openapi({ description: "Of a line or an area; default day." }),
      group_by: dimension.optional().openapi({
        description: "One line for each of the five largest; a bar for each of the twenty.",
      }),
    }),
    z.strictObject({
      type: z.literal("table"),
      title,
      measures: z.array(measureParam).min(1).max(10),
      group_by: z.array(dimension).min(1).max(2),
      limit: z.int().min(1).max(500).optional(),
    }),
    z.strictObject({ type: z.literal("leaderboard"), title, ...ranking }),
    z.strictObject({
      type: z.literal("funnel"),
      title,
      funnel_id: idParam.openapi({ description: "A saved funnel." }),
    }),
    z.strictObject({
      type: z.literal("retention"),
      title,
      granularity: z
        .enum(["day", "week", "month"])
        .optional()
        .openapi({ description: "Default week." }),
      mode: z.enum(RETENTION_MODES).optional().openapi({ description: "Default classic." }),
    }),
  ])
  .openapi("ReportSection");
export type Section = z.output<typeof section>;

const range = {
  timeframe: timeframeParam.optional(),
  range: z.enum(NAMED_RANGES).optional(),
  from: instantParam.optional(),
  to: instantParam.optional(),
};

const hookUrl = textInput(2048).openapi({
  description:
    "Of an answer: masked, `https://host/***key`. PUT with the masked text keeps the URL that is stored.",
});
const webhook = z.strictObject({ method: z.literal("webhook"), url: hookUrl });
const slack = z.strictObject({ method: z.literal("slack"), url: hookUrl });
const email = z.strictObject({
  method: z.literal("email"),
  to: z.array(z.email().max(254)).min(1).max(50),
});
/** Who is told when a run is done, and how. A mail and a message carry a link to the file. */
export const recipient = z
  .discriminatedUnion("method", [webhook, slack, email])
  .openapi("ReportRecipient");
export type Recipient = z.output<typeof recipient>;
const recipients = z.array(recipient).max(20);

const hookKey = { key: z.string().optional() };
/** With the whole URL, and the key that the masked one ends in; those from before keys have none. */
export const storedRecipient = z.discriminatedUnion("method", [
  webhook.extend(hookKey),
  slack.extend(hookKey),
  email,
]);
export type StoredRecipient = z.output<typeof storedRecipient>;

export const reportInput = z
  .strictObject({
    name: title,
    description: textInput(2000).nullish(),
    template_id: idParam
      .optional()
      .openapi({ description: "Takes over the sections of a template; instead of sections." }),
    sections: z.array(section).min(1).max(40).optional(),
    format: z.enum(FORMATS),
    ...range,
    timezone: timezoneParam.optional(),
    filters: z.array(filterShape).max(20).optional(),
    recipients: recipients.optional(),
  })
  .openapi("ReportInput");
export type ReportInput = z.output<typeof reportInput>;

/** As it is stored: moments are microseconds. */
export const definition = z.object({
  sections: z.array(section),
  format: z.enum(FORMATS),
  timeframe: timeframeParam.optional(),
  range: z.enum(NAMED_RANGES).optional(),
  from: z.number().optional(),
  to: z.number().optional(),
  timezone: z.string(),
  filters: z.array(filterShape),
  recipients: z.array(storedRecipient),
});
export type Definition = z.output<typeof definition>;

export const report = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    sections: z.array(section),
    format: z.enum(FORMATS),
    timeframe: timeframeParam.nullable(),
    range: z.enum(NAMED_RANGES).nullable(),
    from: z.string().nullable(),
    to: z.string().nullable(),
    timezone: z.string(),
    filters: z.array(filterShape),
    recipients,
    created_at: z.string(),
    updated_at: z.string(),
    created_by: z.string(),
  })
  .openapi("Report");
export type Report = z.output<typeof report>;

/** What a run is made of: nothing in it moves any more. */
export const runRequest = z.object({
  name: z.string(),
  description: z.string().nullable(),
  sections: z.array(section),
  format: z.enum(FORMATS),
  from: z.string(),
  to: z.string(),
  timezone: z.string(),
  filters: z.array(filterShape),
  recipients,
});
export type RunRequest = z.output<typeof runRequest>;
export const storedRequest = runRequest.extend({ recipients: z.array(storedRecipient) });
export type StoredRequest = z.output<typeof storedRequest>;

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

/** A section with its figures, the question that gave them, and what it was answered from. */
export const filledSection = z
  .object({
    type: z.string(),
    title: z.string().nullable(),
    query: z.record(z.string(), z.unknown()).nullable().openapi({
      description: "What gives these figures: the body of POST /metrics/query, or `path` of a GET.",
    }),
    meta: metaShape.nullable(),
    data: z.unknown(),
  })
  .openapi("FilledSection");

export const template = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    system: z.boolean(),
    sections: z.array(section),
  })
  .openapi("ReportTemplate");
export const templateInput = z.strictObject({
  name: title,
  description: textInput(2000).optional(),
  sections: z.array(section).min(1).max(40),
});
export type Template = z.output<typeof template>;

export const reportParam = z.object({ id: idParam });
export const listParams = z.strictObject({ ...workspaceParam, ...pageParams });

export const shareInput = z.strictObject({
  expires_in_days: z.int().min(1).max(90).optional().openapi({ description: "Default 7." }),
  password: textInput(256).min(8).optional(),
});
export const share = z
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

export const delivery = z
  .object({
    id: z.string(),
    run_id: z.string(),
    recipient,
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
