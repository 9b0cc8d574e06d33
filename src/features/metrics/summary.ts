import type { Answer } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import type { ComparedValues, MeasureValues } from "../../analytics/result/rows.ts";
import type { SummaryData } from "./schema.ts";

/** The measures of a summary, in the order of its answer. */
export const SUMMARY_MEASURES: MeasureName[] = [
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
  "running",
  "success_rate",
  "failure_rate",
  "duration_avg",
  "duration_min",
  "duration_max",
  "duration_p50",
  "duration_p75",
  "duration_p90",
  "duration_p95",
  "duration_p99",
  "credits",
  "tokens_in",
  "tokens_out",
  "active_users",
  "active_agents",
];

const isDuration = (name: string) => name.startsWith("duration_");

/**
 * Values of the summary's measures, with the durations nested in the place where they are listed.
 */
function nestedDurations(values: MeasureValues): SummaryData {
  const entries = SUMMARY_MEASURES.map((name) => [name, values[name] ?? null] as const);
  const first = entries.findIndex(([name]) => isDuration(name));
  const last = entries.findLastIndex(([name]) => isDuration(name));
  const durations = entries
    .slice(first, last + 1)
    .map(([name, value]) => [name.slice("duration_".length), value]);
  return {
    ...Object.fromEntries(entries.slice(0, first)),
    duration_ms: Object.fromEntries(durations),
    ...Object.fromEntries(entries.slice(last + 1)),
  } as SummaryData;
}

/** The values of the range before. */
export function previousOf(changes: ComparedValues): MeasureValues {
  const entries = Object.entries(changes);
  return Object.fromEntries(entries.map(([name, compared]) => [name, compared.previous]));
}

/** The totals of an answer over SUMMARY_MEASURES in the shape of `GET /metrics/summary`. */
export function summaryOf({ totals, totalsComparison }: Answer) {
  if (!totalsComparison) return nestedDurations(totals);
  const previous = nestedDurations(previousOf(totalsComparison));
  return {
    ...nestedDurations(totals),
    comparison: { previous, changes: totalsComparison },
  };
}
