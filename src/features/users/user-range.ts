import { rangeOfQuery } from "../../analytics/query.ts";
import { type Bucket, wholeBuckets } from "../../analytics/time/range.ts";
import type { Context } from "../../context.ts";
import { type RangeAndFilters, rangeOrDefault } from "../../http/metrics-params.ts";

/** The range of a request in its zone. */
export type UserRange = Partial<Pick<RangeAndFilters, "timeframe" | "from" | "to" | "explain">> & {
  timezone: string;
};
export type CalendarUnit = "day" | "week" | "month";

/**
 * The whole local buckets that the range touches.
 * @param lead how many more before them
 */
export function bucketsFor(
  ctx: Context,
  query: UserRange,
  granularity: CalendarUnit,
  otherwise: "30d" | "90d",
  lead = 0,
): { buckets: Bucket[]; timezone: string } {
  const { timezone } = query;
  const range = rangeOfQuery(rangeOrDefault(query, otherwise), ctx.nowUs());
  return { buckets: wholeBuckets(range, granularity, timezone, lead), timezone };
}

/** The tables behind answers about active users. */
export const PRESENCE_TABLES = { daily: "user_presence_daily", raw: ["executions", "events"] };
