import type { EpochUs } from "../../lib/time.ts";

/** Half-open [from, to). */
export interface TimeRange {
  from: EpochUs;
  to: EpochUs;
}
