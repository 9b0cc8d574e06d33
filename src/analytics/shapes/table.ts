import type { Answer } from "../ask.ts";
import { CLOCK_DIMENSIONS } from "../catalog/dimensions.ts";
import { MEASURE_NAMES, type MeasureName, measureOf } from "../catalog/measures.ts";
import type { Query } from "../query.ts";

/** The type of a column of measures, in the words of files. */
const KINDS = {
  executions: "integer",
  fraction: "float",
  ms: "float",
  credits: "decimal",
  tokens: "integer",
  users: "integer",
  agents: "integer",
} as const;

export const measureColumn = (name: MeasureName) => ({ name, kind: KINDS[measureOf(name).unit] });
export const isMeasure = (name: string): name is MeasureName =>
  (MEASURE_NAMES as readonly string[]).includes(name);

/**
 * The columns of a question's answer: bucket and whether it is complete, groups, `other` for the
 * groups past the limit, measures.
 */
export function columnsOfQuery({ measures, group_by = [], granularity }: Query) {
  return [
    ...(granularity
      ? [
          { name: "bucket", kind: "timestamp" as const },
          { name: "complete", kind: "boolean" as const },
        ]
      : []),
    ...group_by.map((name) => ({
      name,
      kind: CLOCK_DIMENSIONS.some((clock) => clock === name)
        ? ("integer" as const)
        : ("text" as const),
    })),
    ...(group_by.length > 0 ? [{ name: "other", kind: "boolean" as const }] : []),
    ...[...new Set(measures)].map(measureColumn),
  ];
}

/** An answer as rows of a table; one without buckets and groups is the row of its totals. */
export function tableOf(
  { group_by = [], granularity }: Query,
  answer: Answer,
): Record<string, unknown>[] {
  if (granularity === undefined && group_by.length === 0) return [{ ...answer.totals }];
  return answer.rows.map(({ bucket, complete, group, other, values }) => ({
    ...(bucket ? { bucket, complete } : {}),
    ...group,
    other: other ?? false,
    ...values,
  }));
}
