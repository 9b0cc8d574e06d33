import { formatLocal } from "../../../analytics/time/zones.ts";
import { parseInstant } from "../../../lib/time.ts";
import type { FilledSection } from "../runs/section-data.ts";

/** A report as it was filled: what every format shows, and what the format json is. */
export interface ReportDocument {
  report: { id: string; name: string; description: string | null };
  run_id: string;
  workspace_id: string;
  from: string;
  to: string;
  timezone: string;
  /** The one moment that every figure is of. */
  as_of: string;
  sections: FilledSection[];
}

/** A moment as a reader of the report's zone sees it. */
export const localMoment = (at: string, timezone: string): string =>
  formatLocal(parseInstant(at) ?? 0, timezone);

/** The line that says what a report is of. */
export function documentSummary({ from, to, timezone, as_of }: ReportDocument): string {
  const over = (parseInstant(to) ?? 0) <= (parseInstant(as_of) ?? 0);
  const [first, last, now] = [from, to, as_of].map((at) => localMoment(at, timezone));
  return `${first} to ${last} (${timezone}), as of ${now}${over ? "" : ": not over yet"}`;
}
