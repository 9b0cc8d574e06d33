import { sketchValue } from "../sql/sketch.ts";
import type { Measure, MeasureSums, SumName } from "./measure.ts";

const ended = (sums: MeasureSums) =>
  sums.successes + sums.failures + sums.timeouts + sums.cancellations;
const fraction = (part: number, whole: number) => (whole === 0 ? null : part / whole);

type CountName =
  | "executions"
  | "successes"
  | "failures"
  | "timeouts"
  | "cancellations"
  | "running"
  | "errors";

function counted(name: CountName, good: Measure["good"], description: string): Measure {
  const sums = name === "errors" ? ([name] as const) : [];
  const isPlain = name === "errors" || name === "executions";
  return {
    unit: "executions",
    additive: true,
    empty: 0,
    good,
    description,
    needs: isPlain ? "sums" : "statuses",
    sums,
    finish: (of) => of[name],
  };
}

function quantile(q: number): Measure {
  const description =
    `Duration that ${q * 100} % of the runs do not exceed ` +
    `(the smallest duration whose rank is at least ${q} of their number).`;
  const finish: Measure["finish"] = (sums, quantiles) => {
    const index = quantiles.indexOf(q);
    const exact = sums.quantile_exact_ms?.[index];
    if (exact !== undefined) return exact;
    const key = sums.quantile_keys?.[index];
    if (key === undefined || sums.duration_min_ms === null || sums.duration_max_ms === null)
      return null;
    return Math.round(sketchValue(key, sums.duration_min_ms, sums.duration_max_ms) * 1000) / 1000;
  };
  const sums = ["duration_count", "duration_min_ms", "duration_max_ms"] as const;
  return {
    unit: "ms",
    additive: false,
    empty: null,
    good: "down",
    description,
    needs: "durations",
    sums,
    quantile: q,
    finish,
  };
}

function duration(
  good: Measure["good"],
  sums: readonly SumName[],
  description: string,
  finish: Measure["finish"],
): Measure {
  return {
    unit: "ms",
    additive: false,
    empty: null,
    good,
    description,
    needs: "sums",
    sums,
    finish,
  };
}

/** The catalogue. A caller's measure name only ever chooses from here. */
export const MEASURES = {
  executions: counted(
    "executions",
    null,
    "Executions started in the range, whatever their status.",
  ),
  successes: counted("successes", "up", "Executions that ended in success."),
  failures: counted("failures", "down", "Executions that ended in failure."),
  timeouts: counted(
    "timeouts",
    "down",
    "Executions that ran out of time, or fell silent and were closed.",
  ),
  cancellations: counted("cancellations", null, "Executions that were cancelled."),
  running: counted("running", null, "Executions that have not ended."),
  success_rate: {
    unit: "fraction",
    additive: false,
    empty: null,
    good: "up",
    description: "successes / (successes + failures + timeouts + cancellations).",
    needs: "statuses",
    sums: [],
    finish: (sums) => fraction(sums.successes, ended(sums)),
  },
  failure_rate: {
    unit: "fraction",
    additive: false,
    empty: null,
    good: "down",
    description: "failures / (successes + failures + timeouts + cancellations).",
    needs: "statuses",
    sums: [],
    finish: (sums) => fraction(sums.failures, ended(sums)),
  },
  duration_avg: duration(
    "down",
    ["duration_count", "duration_sum_ms"],
    "Mean duration of the ended runs whose duration is known.",
    (sums) => fraction(Number(sums.duration_sum_ms), sums.duration_count),
  ),
  duration_min: duration(
    null,
    ["duration_min_ms"],
    "Shortest duration.",
    (sums) => sums.duration_min_ms,
  ),
  duration_max: duration(
    "down",
    ["duration_max_ms"],
    "Longest duration.",
    (sums) => sums.duration_max_ms,
  ),
  duration_p50: quantile(0.5),
  duration_p75: quantile(0.75),
  duration_p90: quantile(0.9),
  duration_p95: quantile(0.95),
  duration_p99: quantile(0.99),
  duration_stddev: duration(
    "down",
    ["duration_count", "duration_sum_ms", "duration_sum_squares"],
    "Sample standard deviation (n - 1) of the durations; null below two.",
    (sums) => sums.duration_stddev_ms,
  ),
  credits: {
    unit: "credits",
    additive: true,
    empty: "0.000000",
    good: "down",
    description: "Sum of credits, an exact decimal.",
    needs: "sums",
    sums: ["credits"],
    finish: (sums) => sums.credits,
  },
  credits_avg: {
    unit: "credits",
    additive: false,
    empty: null,
    good: "down",
    description: "credits / executions, rounded to 6 decimals.",
    needs: "sums",
    sums: ["credits"],
    finish: (sums) => sums.credits_avg,
  },
  tokens_in: {
    unit: "tokens",
    additive: true,
    empty: 0,
    good: null,
    description: "Sum of input tokens.",
    needs: "sums",
    sums: ["tokens_in"],
    finish: (sums) => Number(sums.tokens_in),
  },
  tokens_out: {
    unit: "tokens",
    additive: true,
    empty: 0,
    good: null,
    description: "Sum of output tokens.",
    needs: "sums",
    sums: ["tokens_out"],
    finish: (sums) => Number(sums.tokens_out),
  },
  active_users: {
    unit: "users",
    additive: false,
    empty: 0,
    good: "up",
    description: "Distinct users with an execution in the range.",
    needs: "users",
    sums: [],
    finish: (sums) => sums.active_users,
  },
  active_agents: {
    unit: "agents",
    additive: false,
    empty: 0,
    good: "up",
    description: "Distinct agents with an execution in the range.",
    needs: "agents",
    sums: [],
    finish: (sums) => sums.active_agents,
  },
  errors: counted("errors", "down", "Executions that carry an error, whatever their status."),
} as const satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;
export const MEASURE_NAMES = Object.keys(MEASURES) as [MeasureName, ...MeasureName[]];

/** The measure as the general shape: a table of literals keeps too many types apart. */
export function measureOf(name: MeasureName): Measure {
  return MEASURES[name];
}
