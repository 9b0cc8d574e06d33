import { type SQL, sql } from "drizzle-orm";
import type { SumName } from "../catalog/measure.ts";
import { ROLLUP_SUMS } from "../rollups/definition.ts";
import { nameList } from "./lists.ts";
import type { QueryParts } from "./query-parts.ts";

/**
 * What all sums are made of: sums of `rollup_rows`, and of `raw_rows`, by the keys and the status.
 * Summed up once here, because they are read up to three times (for the order, the groups and the
 * total).
 */
export function cellSums(keys: readonly string[], { sums, quantiles }: QueryParts): SQL {
  const columns = [
    { name: "executions", rolled: "sum(executions)::bigint", raw: "count(*)" },
    ...sums.map((name) => ({
      name,
      rolled: `${ROLLUP_SUMS[name].aggregate}(${name})::${ROLLUP_SUMS[name].type}`,
      raw: ROLLUP_SUMS[name].raw,
    })),
    // Whether a rollup took part decides whether a quantile is exact.
    ...(quantiles.length > 0
      ? [{ name: "rolled_durations", rolled: "sum(duration_count)::bigint", raw: "0" }]
      : []),
    { name: "raw_rows", rolled: "0", raw: "count(*)" },
  ];
  const by = nameList([...keys, "status"]);
  const of = (kind: "rolled" | "raw", table: string) => sql`
    select ${by},
      ${sql.raw(columns.map((column) => `${column[kind]} as ${column.name}`).join(", "))}
    from ${sql.identifier(table)}
    group by ${by}`;
  return sql`${of("rolled", "rollup_rows")}
    union all${of("raw", "raw_rows")}`;
}

export const SUM_COLUMNS: readonly string[] = [
  "executions",
  "successes",
  "failures",
  "timeouts",
  "cancellations",
  "running",
  "errors",
  "duration_count",
  "rolled_durations",
  "duration_sum_ms",
  "duration_stddev_ms",
  "duration_min_ms",
  "duration_max_ms",
  "credits",
  "credits_avg",
  "tokens_in",
  "tokens_out",
];

const countOf = (status: string) =>
  sql`coalesce(sum(executions) filter (where status = ${sql.raw(`'${status}'`)}), 0)::bigint`;

/** Sample variance from sums, in exact decimal; rounding may leave a little less than nothing. */
const VARIANCE = sql`(sum(duration_sum_squares) - sum(duration_sum_ms) ^ 2 / sum(duration_count))
        / (sum(duration_count) - 1)`;
const STDDEV = sql`case when sum(duration_count) > 1
        then sqrt(greatest(0, ${VARIANCE}))::float8
      end`;

/** @returns the columns of `SUM_COLUMNS`; those that nobody asked for are empty */
export function sumsBy(keys: readonly string[], { sums, quantiles }: QueryParts): SQL {
  const has = (name: SumName) => sums.includes(name);
  const total = (name: "credits" | "tokens_in" | "tokens_out" | "duration_sum_ms") =>
    has(name) ? sql`coalesce(sum(${sql.identifier(name)}), 0)` : sql`0::numeric`;
  const counted = (name: "errors" | "duration_count") =>
    has(name) ? sql`sum(${sql.identifier(name)})::bigint` : sql`0::bigint`;
  const extreme = (name: "duration_min_ms" | "duration_max_ms", aggregate: "min" | "max") =>
    has(name) ? sql`${sql.raw(aggregate)}(${sql.identifier(name)})` : sql`null::bigint`;
  const rolled = quantiles.length > 0 ? sql`sum(rolled_durations)::bigint` : sql`0::bigint`;
  return sql`
    select ${nameList(keys)},
      sum(executions)::bigint as executions,
      ${countOf("success")} as successes,
      ${countOf("failure")} as failures,
      ${countOf("timeout")} as timeouts,
      ${countOf("cancelled")} as cancellations,
      ${countOf("running")} as running,
      ${counted("errors")} as errors,
      ${counted("duration_count")} as duration_count,
      ${rolled} as rolled_durations,
      ${total("duration_sum_ms")} as duration_sum_ms,
      ${extreme("duration_min_ms", "min")} as duration_min_ms,
      ${extreme("duration_max_ms", "max")} as duration_max_ms,
      ${has("duration_sum_squares") ? STDDEV : sql`null::float8`} as duration_stddev_ms,
      round(${total("credits")}, 6) as credits,
      round(${total("credits")} / sum(executions), 6) as credits_avg,
      ${total("tokens_in")} as tokens_in,
      ${total("tokens_out")} as tokens_out
    from cells
    group by ${nameList(keys)}`;
}
