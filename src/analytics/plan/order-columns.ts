import { sql } from "drizzle-orm";
import { type Measure, SUM_NAMES } from "../catalog/measure.ts";
import { type MeasureName, measureOf } from "../catalog/measures.ts";
import type { Query } from "../query.ts";
import type { GroupOrder } from "../sql/order.ts";
import type { QueryParts } from "../sql/query-parts.ts";
import { sketchValueSql } from "../sql/sketch.ts";

const FLOATS: readonly MeasureName[] = ["success_rate", "failure_rate", "duration_stddev"];

export const orderOf = (query: Query) =>
  query.order_by ??
  query.measures.slice(0, 1).map((measure) => ({ measure, direction: "desc" as const }));

/** The parts that these measures need; the quantiles stay the asked list, so that their places in it hold. */
export function partsOf(measures: readonly Measure[], quantiles: number[]): QueryParts {
  return {
    statuses: measures.some((measure) => measure.needs === "statuses"),
    sums: SUM_NAMES.filter((name) => measures.some((measure) => measure.sums.includes(name))),
    quantiles: measures.some((measure) => measure.quantile !== undefined) ? quantiles : [],
    users: measures.some((measure) => measure.needs === "users"),
    agents: measures.some((measure) => measure.needs === "agents"),
    sketches: false,
    packed: false,
  };
}

export function orderColumns(query: Query, quantiles: readonly number[]): GroupOrder[] {
  return orderOf(query).map(({ measure, direction }) => {
    const { quantile } = measureOf(measure);
    const index = sql.raw(String(quantiles.indexOf(quantile ?? 0) + 1));
    const ended = sql`nullif(successes + failures + timeouts + cancellations, 0)::float8`;
    const special: Partial<Record<MeasureName, ReturnType<typeof sql>>> = {
      success_rate: sql`successes / ${ended}`,
      failure_rate: sql`failures / ${ended}`,
      duration_avg: sql`duration_sum_ms / nullif(duration_count, 0)`,
      duration_min: sql`duration_min_ms`,
      duration_max: sql`duration_max_ms`,
      duration_stddev: sql`duration_stddev_ms`,
    };
    const exact = sql`quantile_exact_ms[${index}]::float8`;
    const sketched = sketchValueSql(sql`quantile_keys[${index}]`);
    const column =
      quantile === undefined
        ? (special[measure] ?? sql.identifier(measure))
        : sql`case when rolled_durations = 0 then ${exact} else ${sketched} end`;
    const type = quantile !== undefined || FLOATS.includes(measure) ? "float8" : "numeric";
    return { column: sql`${column}`, type, descending: direction === "desc" };
  });
}
