import { DIMENSIONS, type Dimension } from "../catalog/dimensions.ts";
import type { SumName } from "../catalog/measure.ts";

/** A unit that is rolled up by itself: a minute, an hour, a day, the sessions of a day (UTC). */
export type RollupUnit = "minute" | "hour" | "day" | "session";

/**
 * A set of rollup rows: which table, which of its grains, and the dimensions that the grain keeps
 * apart. A row whose status is '' holds the sketch and the ids of all statuses together, and no
 * sums: a question that does not ask for the status has a fraction of them to merge.
 */
export interface RollupGrain {
  table:
    | "execution_metrics_minutely"
    | "execution_metrics_hourly"
    | "execution_metrics_daily"
    | "user_activity_daily"
    | "execution_quarters_daily";
  /** The value of the column `grain`; `user` stands for a table that has none. */
  grain: "total" | "agent" | "cube" | "user";
  dimensions: readonly Dimension[];
}

/** The newest hours, which still change, by minutes. */
export const MINUTELY_GRAINS: readonly RollupGrain[] = [
  { table: "execution_metrics_minutely", grain: "total", dimensions: ["status"] },
  { table: "execution_metrics_minutely", grain: "agent", dimensions: ["agent", "status"] },
];
/** From the fewest rows to the most: the first that keeps all asked dimensions answers. */
export const HOURLY_GRAINS: readonly RollupGrain[] = [
  { table: "execution_metrics_hourly", grain: "total", dimensions: ["status"] },
  { table: "execution_metrics_hourly", grain: "agent", dimensions: ["agent", "status"] },
];
export const DAILY_GRAINS: readonly RollupGrain[] = [
  { table: "execution_metrics_daily", grain: "total", dimensions: ["status"] },
  { table: "execution_metrics_daily", grain: "agent", dimensions: ["agent", "status"] },
  { table: "user_activity_daily", grain: "user", dimensions: ["user", "status"] },
  {
    table: "execution_metrics_daily",
    grain: "cube",
    dimensions: ["agent", "model", "environment", "version", "error_type", "status"],
  },
];
/**
 * Numbers of executions by the quarter of an hour in which they started: they cut what hours
 * cannot, in zones such as India's.
 */
export const QUARTERLY_GRAINS: readonly RollupGrain[] = [
  { table: "execution_quarters_daily", grain: "total", dimensions: ["status"] },
  { table: "execution_quarters_daily", grain: "agent", dimensions: ["agent", "status"] },
];

/** Columns of a grain's dimensions, in their order. */
export const grainKeys = ({ dimensions }: RollupGrain): string[] =>
  dimensions.map((name) => DIMENSIONS[name]);

interface RollupSum {
  type: string;
  /** Over raw rows. */
  raw: string;
  /** Over sums. */
  aggregate: "sum" | "min" | "max";
}

/** The sums of a rollup row beside the number of executions, and how raw rows give them. */
export const ROLLUP_SUMS: Record<SumName, RollupSum> = {
  errors: { type: "bigint", raw: "sum(errors)", aggregate: "sum" },
  duration_count: { type: "bigint", raw: "count(duration_ms)", aggregate: "sum" },
  duration_sum_ms: { type: "numeric", raw: "sum(duration_ms)", aggregate: "sum" },
  duration_sum_squares: {
    type: "numeric",
    raw: "sum(duration_ms::numeric * duration_ms)",
    aggregate: "sum",
  },
  duration_min_ms: { type: "bigint", raw: "min(duration_ms)", aggregate: "min" },
  duration_max_ms: { type: "bigint", raw: "max(duration_ms)", aggregate: "max" },
  credits: { type: "numeric", raw: "sum(credits)", aggregate: "sum" },
  tokens_in: { type: "numeric", raw: "sum(tokens_in)", aggregate: "sum" },
  tokens_out: { type: "numeric", raw: "sum(tokens_out)", aggregate: "sum" },
};

/** Columns of a rollup row that hold no key: what can be merged. */
export const MERGEABLE_COLUMNS: readonly string[] = [
  "executions",
  ...Object.keys(ROLLUP_SUMS),
  "sketch_keys",
  "sketch_counts",
  "sketch_sum",
  "user_chunks",
  "user_bits",
  "agent_ids",
];

/** The tables that a run of a unit replaces. */
export const ROLLUP_TABLES = {
  minute: ["execution_metrics_minutely"],
  hour: ["execution_metrics_hourly"],
  day: [
    "execution_metrics_daily",
    "execution_quarters_daily",
    "user_activity_daily",
    "user_presence_daily",
  ],
  session: ["sessions_daily", "session_edges_daily"],
} as const satisfies Record<RollupUnit, readonly string[]>;
