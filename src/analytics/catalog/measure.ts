/** Sums that SQL computes for a set of executions; null where the set leaves nothing to say. */
export interface MeasureSums {
  executions: number;
  successes: number;
  failures: number;
  timeouts: number;
  cancellations: number;
  running: number;
  errors: number;
  duration_count: number;
  duration_sum_ms: string;
  /**
   * Sample standard deviation, computed in exact decimal from the sums; null below two durations.
   */
  duration_stddev_ms: number | null;
  duration_min_ms: number | null;
  duration_max_ms: number | null;
  credits: string;
  credits_avg: string | null;
  tokens_in: string;
  tokens_out: string;
  active_users: number;
  active_agents: number;
  /**
   * Quantiles, parallel to the asked list: exact milliseconds when no rollup took part, sketch keys
   * when one did.
   */
  quantile_exact_ms: number[] | null;
  quantile_keys: number[] | null;
}

export type MeasureValue = number | string | null;

export type MeasurePart = "statuses" | "sums" | "durations" | "users" | "agents";

/** Sums that only some measures are made of, beside numbers of executions. */
export const SUM_NAMES = [
  ...([
    "errors",
    "duration_count",
    "duration_sum_ms",
    "duration_sum_squares",
    "duration_min_ms",
    "duration_max_ms",
  ] as const),
  ...(["credits", "tokens_in", "tokens_out"] as const),
] as const;

export type SumName = (typeof SUM_NAMES)[number];

export interface Measure {
  /** The things that a number of it counts. */
  unit: "executions" | "fraction" | "ms" | "credits" | "tokens" | "users" | "agents";
  /** Whether the values of the parts add up to the value of the whole. */
  additive: boolean;
  /** The value of a set without executions. */
  empty: MeasureValue;
  /** The direction that is good for the one who runs the agents; null where neither is. */
  good: "up" | "down" | null;
  description: string;
  needs: MeasurePart;
  sums: readonly SumName[];
  quantile?: number;
  finish(sums: MeasureSums, quantiles: readonly number[]): MeasureValue;
}
