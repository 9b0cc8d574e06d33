import type { Answer } from "../../analytics/ask.ts";
import type { MeasureName } from "../../analytics/catalog/measures.ts";
import type { MeasureValues } from "../../analytics/result/rows.ts";

/** The measures of a summary, in the order of its answer. */
export const SUMMARY_MEASURES: MeasureName[] = [
  ...([
    "executions",
    "successes",
    "failures",
    "timeouts",
    "cancellations",
    "running",
    "success_rate",
    "failure_rate",
  ] as const),
  ...([
    "duration_avg",
    "duration_min",
    "duration_max",
    "duration_p50",
    "duration_p75",
    "duration_p90",
    "duration_p95",
    "duration_p99",
  ] as const),
  ...(["credits", "tokens_in", "tokens_out", "active_users", "active_agents"] as const),
];

function nested(values: MeasureValues): Record<string, unknown> {
  const flat = SUMMARY_MEASURES.filter((name) => !name.startsWith("duration_")).map(
    (name) => [name, values[name] ?? null] as const,
  );
  const durations = SUMMARY_MEASURES.filter((name) => name.startsWith("duration_")).map((name) => [
    name.slice("duration_".length),
    values[name] ?? null,
  ]);
  const [before, after] = [flat.slice(0, 8), flat.slice(8)];
  return {
    ...Object.fromEntries(before),
    duration_ms: Object.fromEntries(durations),
    ...Object.fromEntries(after),
  };
}

/** The totals of an answer over SUMMARY in the shape of `GET /metrics/summary`. */
export function summaryOf({ totals, totalsComparison }: Answer): Record<string, unknown> {
  if (!totalsComparison) return nested(totals);
  const entries = Object.entries(totalsComparison);
  const previous = Object.fromEntries(entries.map(([name, compared]) => [name, compared.previous]));
  return {
    ...nested(totals),
    comparison: { previous: nested(previous), changes: totalsComparison },
  };
}
