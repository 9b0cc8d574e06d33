import { unprocessable } from "../lib/errors.ts";
import type { EpochUs } from "../lib/time.ts";
import { isTimeZone } from "../lib/zone-offsets.ts";
import type { Filter } from "./catalog/dimensions.ts";
import type { MeasureName } from "./catalog/measures.ts";
import type { GroupPosition } from "./sql/order.ts";
import type { ComparedPeriod } from "./time/compared-range.ts";
import { type Granularity, TIMEFRAMES, type Timeframe } from "./time/range.ts";
import type { TimeRange } from "./time/time-range.ts";

/** A question as its caller asks it. Either `timeframe`, which ends now, or `from` and `to`. */
export interface Query {
  measures: MeasureName[];
  timeframe?: Timeframe | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
  granularity?: Granularity | undefined;
  timezone: string;
  group_by?: string[] | undefined;
  filters?: Filter[] | undefined;
  compare?: ComparedPeriod | undefined;
  order_by?: { measure: MeasureName; direction: "asc" | "desc" }[] | undefined;
  limit?: number | undefined;
  /**
   * Of our own questions: the page of groups after this one, how many groups there are, and whole
   * sketches of durations.
   */
  after?: GroupPosition | undefined;
  count?: boolean | undefined;
  sketches?: boolean | undefined;
  /**
   * The rows alone, without what costs as much as all of them: their total, and the row of all
   * other groups.
   */
  rowsOnly?: boolean | undefined;
}

/** @throws AppError unprocessable for a name that is no time zone's */
export function checkedTimezone(name: string): string {
  if (!isTimeZone(name))
    throw unprocessable(
      "timezone",
      "unknown_timezone",
      `"${name}" is not a time zone of the IANA database.`,
    );
  return name;
}

/** @throws AppError unprocessable for a range that is empty, reversed or incomplete */
export function rangeOfQuery(
  query: Pick<Query, "timeframe" | "from" | "to">,
  now: EpochUs,
): TimeRange {
  if (query.timeframe && (query.from !== undefined || query.to !== undefined)) {
    throw unprocessable("timeframe", "range_twice", "Give timeframe, or from and to, not both.");
  }
  if (query.timeframe) return { from: now - TIMEFRAMES[query.timeframe], to: now };
  if (query.from === undefined || query.to === undefined)
    throw unprocessable("from", "range_missing", "Give timeframe, or both from and to.");
  if (query.from >= query.to)
    throw unprocessable("to", "range_reversed", "The range must end after it starts.");
  return { from: query.from, to: query.to };
}
