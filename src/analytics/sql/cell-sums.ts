import { type SQL, sql } from "drizzle-orm";
import type { SumName } from "../catalog/measure.ts";
import { ROLLUP_SUMS } from "../rollups/definition.ts";
import { nameList } from "./lists.ts";
import type { QueryParts } from "./query-parts.ts";

/**
 * The base of all sums: sums of `rollup_rows`, and of `raw_rows`, by the keys and the status.
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

interface SumColumn {
  name: string;
  column: SQL;
}

const countOf = (name: string, status: string): SumColumn => {
  const counted = sql`sum(executions) filter (where status = ${sql.raw(`'${status}'`)})`;
  return { name, column: sql`coalesce(${counted}, 0)::bigint` };
};
const STATUS_COUNTS = [
  countOf("successes", "success"),
  countOf("failures", "failure"),
  countOf("timeouts", "timeout"),
  countOf("cancellations", "cancelled"),
  countOf("running", "running"),
];

/** Sample variance from sums, in exact decimal; rounding may leave a little less than nothing. */
const VARIANCE = sql`(sum(duration_sum_squares) - sum(duration_sum_ms) ^ 2 / sum(duration_count))
        / (sum(duration_count) - 1)`;
const STDDEV = sql`case when sum(duration_count) > 1
        then sqrt(greatest(0, ${VARIANCE}))::float8
      end`;

const totalOf = (name: SumName) => sql`coalesce(sum(${sql.identifier(name)}), 0)`;
/** The columns that a sum of a cell gives; squares only serve the deviation. */
const COLUMNS_OF_SUM: Record<SumName, SumColumn[]> = {
  errors: [{ name: "errors", column: sql`sum(errors)::bigint` }],
  duration_count: [{ name: "duration_count", column: sql`sum(duration_count)::bigint` }],
  duration_sum_ms: [{ name: "duration_sum_ms", column: totalOf("duration_sum_ms") }],
  duration_sum_squares: [{ name: "duration_stddev_ms", column: STDDEV }],
  duration_min_ms: [{ name: "duration_min_ms", column: sql`min(duration_min_ms)` }],
  duration_max_ms: [{ name: "duration_max_ms", column: sql`max(duration_max_ms)` }],
  credits: [
    { name: "credits", column: sql`round(${totalOf("credits")}, 6)` },
    { name: "credits_avg", column: sql`round(${totalOf("credits")} / sum(executions), 6)` },
  ],
  tokens_in: [{ name: "tokens_in", column: totalOf("tokens_in") }],
  tokens_out: [{ name: "tokens_out", column: totalOf("tokens_out") }],
};

/** The columns that are made of the sums of cells, as far as they are asked for. */
function columnsOf({ sums, statuses, quantiles }: QueryParts): SumColumn[] {
  return [
    { name: "executions", column: sql`sum(executions)::bigint` },
    ...(statuses ? STATUS_COUNTS : []),
    ...(quantiles.length > 0
      ? [{ name: "rolled_durations", column: sql`sum(rolled_durations)::bigint` }]
      : []),
    ...sums.flatMap((name) => COLUMNS_OF_SUM[name]),
  ];
}

/** Names of the columns of `sumsBy`, in their order. */
export const sumColumns = (parts: QueryParts): string[] => columnsOf(parts).map(({ name }) => name);

/** Sums of `cells` for every combination of the keys. */
export function sumsBy(keys: readonly string[], parts: QueryParts): SQL {
  const columns = columnsOf(parts).map(({ name, column }) => sql`${column} as ${sql.raw(name)}`);
  return sql`
    select ${nameList(keys)},
      ${sql.join(columns, sql`,\n      `)}
    from cells
    group by ${nameList(keys)}`;
}
