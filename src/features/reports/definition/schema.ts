import { z } from "@hono/zod-openapi";
import { NAMED_RANGES } from "../../../analytics/time/calendar-ranges.ts";
import { textInput } from "../../../http/fields.ts";
import { filterShape, timeframeParam, timezoneParam } from "../../../http/metrics-params.ts";
import { idParam, instantParam, pageParams, workspaceParam } from "../../../http/params.ts";
import { recipients, storedRecipient } from "./recipient-schema.ts";
import { sectionShape, title } from "./section-schema.ts";

export const REPORT_FORMATS = ["pdf", "html", "xlsx", "csv", "json"] as const;

const range = {
  timeframe: timeframeParam.optional(),
  range: z.enum(NAMED_RANGES).optional(),
  from: instantParam.optional(),
  to: instantParam.optional(),
};

export const reportInput = z
  .strictObject({
    name: title,
    description: textInput(2000).nullish(),
    template_id: idParam
      .optional()
      .openapi({ description: "Takes over the sections of a template; instead of sections." }),
    sections: z.array(sectionShape).min(1).max(40).optional(),
    format: z.enum(REPORT_FORMATS),
    ...range,
    timezone: timezoneParam.optional(),
    filters: z.array(filterShape).max(20).optional(),
    recipients: recipients.optional(),
  })
  .openapi("ReportInput");

export type ReportInput = z.output<typeof reportInput>;

/** As it is stored: moments are microseconds. */
export const storedDefinition = z.object({
  sections: z.array(sectionShape),
  format: z.enum(REPORT_FORMATS),
  timeframe: timeframeParam.optional(),
  range: z.enum(NAMED_RANGES).optional(),
  from: z.number().optional(),
  to: z.number().optional(),
  timezone: z.string(),
  filters: z.array(filterShape),
  recipients: z.array(storedRecipient),
});

export type ReportDefinition = z.output<typeof storedDefinition>;

export const reportShape = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    sections: z.array(sectionShape),
    format: z.enum(REPORT_FORMATS),
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

export type Report = z.output<typeof reportShape>;

export const reportTemplate = z
  .object({
    id: z.string(),
    name: z.string(),
    description: z.string(),
    system: z.boolean(),
    sections: z.array(sectionShape),
  })
  .openapi("ReportTemplate");

export const reportTemplateInput = z.strictObject({
  name: title,
  description: textInput(2000).optional(),
  sections: z.array(sectionShape).min(1).max(40),
});

export type ReportTemplate = z.output<typeof reportTemplate>;

export const reportParam = z.object({ id: idParam });

export const reportListParams = z.strictObject({ ...workspaceParam, ...pageParams });
