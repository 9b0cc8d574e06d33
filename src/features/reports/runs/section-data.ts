import type { Answer } from "../../../analytics/ask.ts";
import type { MeasureName } from "../../../analytics/catalog/measures.ts";
import type { StepResult } from "../../../analytics/funnels/summarize.ts";
import type { ComparedValue } from "../../../analytics/result/compare.ts";
import type { AnswerMeta } from "../../../analytics/result/meta.ts";
import type { AnswerRow, MeasureValues } from "../../../analytics/result/rows.ts";
import { cellsOf } from "../../../analytics/shapes/heatmap.ts";
import { isMeasure } from "../../../analytics/shapes/table.ts";
import type { RetentionCohort, RetentionMode } from "../../../analytics/users/retention.ts";
import { parseInstant } from "../../../lib/time.ts";
import { PLACEHOLDER_PATTERN } from "../definition/section-query.ts";
import type { ReportSection } from "../definition/section-schema.ts";
import { formattedValue } from "../render/labels.ts";

/** A section with its figures, and what they can be checked by. */
export interface FilledSection {
  type: ReportSection["type"];
  title: string | null;
  /** The question that gives these figures: the body of POST /metrics/query, or the `path` of a GET. */
  query: Record<string, unknown> | null;
  meta: AnswerMeta | null;
  data: FilledData;
}

export type FilledData =
  | { kind: "funnel"; steps: StepResult[] }
  | { kind: "matrix"; granularity: string; mode: RetentionMode; cohorts: RetentionCohort[] }
  | { kind: "text"; paragraphs: string[] }
  | {
      kind: "tiles";
      /** The range is incomplete: it is compared with the same part of the period before. */
      elapsed: boolean;
      tiles: { measure: MeasureName; value: unknown; comparison: ComparedValue | null }[];
    }
  | {
      kind: "series";
      chart: "line" | "area";
      measure: MeasureName;
      buckets: string[];
      /** Whether each bucket has ended and lies within the range; absent if all do. */
      complete?: boolean[];
      series: { name: string | null; values: (number | null)[] }[];
    }
  | {
      kind: "bars";
      measure: MeasureName;
      bars: { name: string | null; other: boolean; value: unknown }[];
    }
  | {
      kind: "heatmap";
      measure: MeasureName;
      cells: { day_of_week: number; hour_of_day: number; value: unknown }[];
    }
  | { kind: "table"; columns: string[]; rows: Record<string, unknown>[]; totals: MeasureValues };

const numberOf = (value: unknown) => (value === null || value === undefined ? null : Number(value));

/** A bucket that has not begun has no value: its 0 would be a claim. */
function seriesOf(
  section: Extract<ReportSection, { type: "chart" }>,
  rows: readonly AnswerRow[],
  asOf: string,
): FilledData {
  const now = parseInstant(asOf) ?? 0;
  const begun = (bucket: string) => (parseInstant(bucket) ?? 0) < now;
  const whole = new Map(rows.map((row) => [row.bucket ?? "", row.complete ?? false]));
  const buckets = [...whole.keys()];
  const places = new Map(buckets.map((bucket, place) => [bucket, place]));
  const names = new Map<string, { name: string | null; values: (number | null)[] }>();
  for (const { bucket, group, other, values } of rows) {
    if (other) continue;
    const name = section.group_by
      ? ((group?.[section.group_by] as string | null) ?? null)
      : section.measure;
    const series = names.get(JSON.stringify(name)) ?? { name, values: buckets.map(() => null) };
    if (begun(bucket ?? ""))
      series.values[places.get(bucket ?? "") ?? 0] = numberOf(values[section.measure]);
    names.set(JSON.stringify(name), series);
  }
  const chart = section.chart === "area" ? "area" : "line";
  return {
    ...{ kind: "series", chart, measure: section.measure, buckets },
    complete: [...whole.values()],
    series: [...names.values()],
  };
}

/** A section that one query fills. */
export type QueriedSection = Exclude<ReportSection, { type: "retention" | "funnel" }>;

/**
 * The data of a section from the answer to its query.
 * @param words values of the placeholders of a text that are not measures
 */
export function sectionData(
  section: QueriedSection,
  answer: Answer | undefined,
  words: Record<string, string>,
): FilledData {
  const { rows = [], totals = {}, totalsComparison = {} } = answer ?? {};
  switch (section.type) {
    case "text": {
      const text = section.text.replace(PLACEHOLDER_PATTERN, (_, name: string) =>
        isMeasure(name) ? formattedValue(name, totals[name] ?? null) : (words[name] ?? ""),
      );
      return { kind: "text", paragraphs: text.split(/\n{2,}/) };
    }
    case "metrics":
      return {
        kind: "tiles",
        elapsed: answer?.meta.compared?.elapsed ?? false,
        tiles: section.measures.map((measure) => ({
          measure,
          value: totals[measure] ?? null,
          comparison: totalsComparison[measure] ?? null,
        })),
      };
    case "table":
      return {
        kind: "table",
        columns: [...section.group_by, ...section.measures],
        rows: rows.map(rowOf),
        totals,
      };
    case "leaderboard": {
      const ranked = rows
        .filter((row) => !row.other)
        .map((row, index) => ({ rank: index + 1, ...rowOf(row) }));
      const measures = [...new Set<string>([section.measure, "executions"])];
      return { kind: "table", columns: ["rank", section.by, ...measures], rows: ranked, totals };
    }
    case "chart": {
      const { measure, chart, group_by = "agent" } = section;
      if (chart === "heatmap") {
        return {
          kind: "heatmap",
          measure,
          cells: cellsOf(rows, (values) => ({ value: values[measure] ?? null })),
        };
      }
      if (chart !== "bar") return seriesOf(section, rows, answer?.meta.as_of ?? "");
      const bars = rows.map(({ group, other, values }) => ({
        name: (group?.[group_by] as string | null) ?? null,
        other: other ?? false,
        value: values[measure] ?? null,
      }));
      return { kind: "bars", measure, bars };
    }
  }
}

const rowOf = ({ group, other, values }: AnswerRow): Record<string, unknown> => ({
  ...group,
  ...(other ? { other: true } : {}),
  ...values,
});
