import { parseInstant } from "../../../lib/time.ts";
import type { Filled } from "../runs/section-data.ts";

/** A report as it was filled: what every format shows, and what the format json is. */
export interface Document {
  report: { id: string; name: string; description: string | null };
  run_id: string;
  workspace_id: string;
  from: string;
  to: string;
  timezone: string;
  /** The one moment that every figure is of. */
  as_of: string;
  sections: Filled[];
}

/** The line that says what a report is of. */
export function aboutOf({ from, to, timezone, as_of }: Document): string {
  const over = (parseInstant(to) ?? 0) <= (parseInstant(as_of) ?? 0);
  return `${from} to ${to} (${timezone}), as of ${as_of}${over ? "" : ": not over yet"}`;
}
