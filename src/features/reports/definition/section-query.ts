import { type Filter, OF_SOME_USER } from "../../../analytics/catalog/dimensions.ts";
import type { MeasureName } from "../../../analytics/catalog/measures.ts";
import type { Query } from "../../../analytics/query.ts";
import { BY_HOUR_OF_WEEK } from "../../../analytics/shapes/heatmap.ts";
import { isMeasure } from "../../../analytics/shapes/table.ts";
import { unprocessable } from "../../../lib/errors.ts";
import type { ReportSection } from "./section-schema.ts";

const LINES = 5;
const BARS = 20;
const TABLE_ROWS = 50;
/** The last offset of a matrix of retention. */
export const RETENTION_OFFSETS = 12;

export const PLACEHOLDER_PATTERN = /\{\{\s*([a-z0-9_]+)\s*\}\}/g;
const WORDS = ["from", "to", "workspace", "report"];

/**
 * The measures that a text names.
 * @throws AppError unprocessable for an unknown placeholder
 */
export function placeholdersOf(text: string, path: string): MeasureName[] {
  const names = [...text.matchAll(PLACEHOLDER_PATTERN)].map((match) => match[1] ?? "");
  const unknown = names.find((name) => !isMeasure(name) && !WORDS.includes(name));
  if (unknown !== undefined)
    throw unprocessable(path, "unknown_placeholder", `Unknown placeholder {{${unknown}}}.`);
  return [...new Set(names.filter(isMeasure))];
}

/** Groups by type of error leave out successful runs, which would be the largest group. */
const narrowed = (...group_by: readonly string[]): { filters?: Filter[] } =>
  group_by.every((name) => name === "error_type")
    ? { filters: [{ field: "status", op: "in", value: ["failure", "timeout"] }] }
    : {};

/** The query of a section without its range; undefined if it needs none. */
export function sectionQuery(section: ReportSection): Omit<Query, "timezone"> | undefined {
  switch (section.type) {
    case "text": {
      const measures = placeholdersOf(section.text, "text");
      return measures.length === 0 ? undefined : { measures };
    }
    case "retention":
    case "funnel":
      return undefined;
    case "metrics":
      return { measures: section.measures, compare: "previous_period" };
    case "table":
      return {
        measures: section.measures,
        group_by: section.group_by,
        ...narrowed(...section.group_by),
        limit: section.limit ?? TABLE_ROWS,
      };
    case "leaderboard":
      return {
        measures: [...new Set<MeasureName>([section.measure, "executions"])],
        group_by: [section.by],
        ...narrowed(section.by),
        ...(section.by === "user" ? { filters: [OF_SOME_USER] } : {}),
        order_by: [{ measure: section.measure, direction: section.direction ?? "desc" }],
        limit: section.limit ?? 10,
      };
    case "chart": {
      const { measure, chart, group_by } = section;
      if (chart === "heatmap") return { measures: [measure], ...BY_HOUR_OF_WEEK };
      const group = group_by ?? "agent";
      if (chart === "bar")
        return { measures: [measure], group_by: [group], ...narrowed(group), limit: BARS };
      return {
        measures: [measure],
        granularity: section.granularity ?? "day",
        ...(group_by ? { group_by: [group_by], ...narrowed(group_by), limit: LINES } : {}),
      };
    }
  }
}

/** @throws AppError unprocessable, with the path, for a section with an invalid query */
export function checkSections(
  sections: readonly ReportSection[],
  filtered: boolean,
  check: (query: Omit<Query, "timezone">) => void,
): void {
  for (const [place, section] of sections.entries()) {
    if ((section.type === "retention" || section.type === "funnel") && filtered)
      throw unprocessable(
        `sections.${place}`,
        "not_applicable",
        `The filters of a report do not apply to a ${section.type}.`,
      );
    if (section.type === "text") placeholdersOf(section.text, `sections.${place}.text`);
    if (
      section.type === "chart" &&
      section.granularity !== undefined &&
      (section.chart === "bar" || section.chart === "heatmap")
    )
      throw unprocessable(
        `sections.${place}.granularity`,
        "not_applicable",
        `A ${section.chart} has no granularity.`,
      );
    if (section.type === "chart" && section.chart === "heatmap" && section.group_by !== undefined)
      throw unprocessable(
        `sections.${place}.group_by`,
        "not_applicable",
        "A heatmap is grouped by hour and day of the week.",
      );
    const ask = sectionQuery(section);
    if (ask) check(ask);
  }
}
