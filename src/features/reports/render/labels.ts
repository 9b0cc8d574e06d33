import { type MeasureName, measureOf } from "../../../analytics/catalog/measures.ts";
import type { StepResult } from "../../../analytics/funnels/summarize.ts";

/** Names of measures and dimensions as a reader sees them. */
export function fieldLabel(name: string): string {
  const special: Record<string, string> = {
    duration_avg: "Mean duration",
    duration_p50: "Median duration",
    credits_avg: "Credits a run",
    tokens_in: "Tokens in",
    tokens_out: "Tokens out",
  };
  const percentile = /^duration_p(\d+)$/.exec(name)?.[1];
  if (special[name]) return special[name];
  if (percentile) return `Duration, ${percentile}th percentile`;
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const grouped = (digits: string) => digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",");

/** A value for readers. Credits keep all digits of the API; an absent value is a dash. */
export function formattedValue(measure: MeasureName, value: unknown): string {
  if (value === null || value === undefined) return "–";
  const { unit } = measureOf(measure);
  if (unit === "fraction") return `${(Number(value) * 100).toFixed(2)} %`;
  if (unit === "ms") return `${grouped(String(Math.round(Number(value))))} ms`;
  const [whole = "", fraction] = String(value).split(".");
  return fraction === undefined ? grouped(whole) : `${grouped(whole)}.${fraction}`;
}

/** A share: `12.50 %`. */
export const formattedRatio = (ratio: number | null) =>
  ratio === null ? "–" : `${(ratio * 100).toFixed(2)} %`;

export const FUNNEL_COLUMNS = [
  "Step",
  "Users",
  "Of the first",
  "Of the one before",
  "Dropped",
  "In progress",
  "Median time",
];

/** The rows of a funnel, one for each step. */
export function funnelRows(steps: readonly StepResult[]): string[][] {
  return steps.map((each) => [
    `${each.step}. ${each.name}`,
    grouped(String(each.users)),
    formattedRatio(each.conversion_rate),
    formattedRatio(each.step_conversion_rate),
    grouped(String(each.dropped_users)),
    grouped(String(each.in_progress_users)),
    each.time_to_convert_ms?.median === null || each.time_to_convert_ms === null
      ? "–"
      : `${grouped(String(Math.round(each.time_to_convert_ms.median)))} ms`,
  ]);
}

/** Words before a compared value. An incomplete range is compared with the same part before. */
export const comparisonPrefix = (elapsed: boolean) =>
  elapsed ? "before, same part: " : "before: ";

/** A change against the period before: `+12.5 %`. */
export function formattedChange(ratio: number | null): string {
  if (ratio === null) return "–";
  return `${ratio >= 0 ? "+" : "−"}${Math.abs(ratio * 100).toFixed(1)} %`;
}
