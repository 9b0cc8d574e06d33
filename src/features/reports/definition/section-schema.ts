import { z } from "@hono/zod-openapi";
import { DIMENSIONS } from "../../../analytics/catalog/dimensions.ts";
import { RETENTION_MODES } from "../../../analytics/users/retention.ts";
import { textInput } from "../../../http/fields.ts";
import { granularityParam, measureParam } from "../../../http/metrics-params.ts";
import { idParam } from "../../../http/params.ts";

export const title = textInput(255).min(1);

const dimension = z.enum(
  Object.keys(DIMENSIONS) as [keyof typeof DIMENSIONS, ...(keyof typeof DIMENSIONS)[]],
);

const ranking = {
  by: dimension,
  measure: measureParam,
  limit: z.int().min(1).max(100).optional(),
  direction: z.enum(["asc", "desc"]).optional(),
};

export const sectionShape = z
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

export type ReportSection = z.output<typeof sectionShape>;
