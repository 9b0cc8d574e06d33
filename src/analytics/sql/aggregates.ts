import { type SQL, sql } from "drizzle-orm";
import type { SumName } from "../catalog/measures.ts";
import { ROLLUP_SUMS } from "../rollups/definition.ts";
import { commaList, nameList } from "./lists.ts";
import { sketchKey } from "./sketch.ts";

/** What a question needs beside the numbers of executions by status, which are always there. */
export interface QueryParts {
  sums: readonly SumName[];
  quantiles: number[];
  users: boolean;
  agents: boolean;
  /** The whole sketch of durations, for what needs more than a few quantiles. */
  sketches: boolean;
}

const count = (status: string) =>
  sql`coalesce(sum(executions) filter (where status = ${sql.raw(`'${status}'`)}), 0)::bigint`;

/**
 * What all sums are made of: sums of `rollup_rows`, and of `raw_rows`, by the keys and the status. Summed up once here, because they are
 * read up to three times (for the order, the groups and the total).
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
  const of = (kind: "rolled" | "raw", table: string) =>
    sql`select ${by}, ${sql.raw(columns.map((column) => `${column[kind]} as ${column.name}`).join(", "))} from ${sql.identifier(table)} group by ${by}`;
  return sql`${of("rolled", "rollup_rows")} union all ${of("raw", "raw_rows")}`;
}

/** @returns the columns of `SUM_COLUMNS`; those that nobody asked for are empty */
function sumsBy(keys: readonly string[], { sums, quantiles }: QueryParts): SQL {
  const has = (...needed: SumName[]) => needed.every((name) => sums.includes(name));
  const total = (name: "credits" | "tokens_in" | "tokens_out" | "duration_sum_ms") =>
    has(name) ? sql`coalesce(sum(${sql.identifier(name)}), 0)` : sql`0::numeric`;
  const counted = (name: "errors" | "duration_count") =>
    has(name) ? sql`sum(${sql.identifier(name)})::bigint` : sql`0::bigint`;
  const variance = sql`(sum(duration_sum_squares) - sum(duration_sum_ms) ^ 2 / sum(duration_count)) / (sum(duration_count) - 1)`;
  return sql`select ${nameList(keys)}, sum(executions)::bigint as executions, ${count("success")} as successes, ${count("failure")} as failures,
    ${count("timeout")} as timeouts, ${count("cancelled")} as cancellations, ${count("running")} as running, ${counted("errors")} as errors,
    ${counted("duration_count")} as duration_count, ${quantiles.length > 0 ? sql`sum(rolled_durations)::bigint` : sql`0::bigint`} as rolled_durations,
    ${total("duration_sum_ms")} as duration_sum_ms, ${has("duration_min_ms") ? sql`min(duration_min_ms)` : sql`null::bigint`} as duration_min_ms,
    ${has("duration_max_ms") ? sql`max(duration_max_ms)` : sql`null::bigint`} as duration_max_ms,
    ${has("duration_sum_squares") ? sql`case when sum(duration_count) > 1 then sqrt(greatest(0, ${variance}))::float8 end` : sql`null::float8`} as duration_stddev_ms,
    round(${total("credits")}, 6) as credits, round(${total("credits")} / sum(executions), 6) as credits_avg,
    ${total("tokens_in")} as tokens_in, ${total("tokens_out")} as tokens_out
    from cells group by ${nameList(keys)}`;
}

/** What is merged once for all that is asked of it: the buckets of the sketches, and the distinct ids. */
export const MERGED_BASES = ["sketches", "users", "agents"] as const;
export type MergedBase = (typeof MERGED_BASES)[number];
export const basesOf = ({ quantiles, users, agents, sketches }: QueryParts): MergedBase[] =>
  MERGED_BASES.filter((base) =>
    base === "sketches" ? sketches || quantiles.length > 0 : base === "users" ? users : agents,
  );

/**
 * A base by the keys, from `rollup_rows` and `raw_rows`. Grouped and not by UNION: the planner takes all rows of a UNION for different,
 * and lays out a hash table for that many.
 * @param united whether sketches and sets stand in the rows of status ''
 * @param once whether it is read once, by these keys: buckets of sketches then wait for the sort that adds them up
 */
export function baseBy(
  base: MergedBase,
  keys: readonly string[],
  { united, once }: { united: boolean; once: boolean },
): SQL {
  const key = nameList(keys);
  const where = united ? sql` where status = ''` : sql``;
  if (base === "sketches") {
    const counts = sql`(select ${key}, unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n from rollup_rows${where}
      union all select ${key}, ${sketchKey(sql`duration_ms`)}, 1 from raw_rows where duration_ms is not null) counts`;
    if (once) return sql`select ${key}, sketch_key, n::float8 as n from ${counts}`;
    return sql`select ${key}, sketch_key, sum(n)::float8 as n from ${counts} group by ${key}, sketch_key`;
  }
  const raw = sql.raw(base === "users" ? "user_id" : "agent_id");
  return sql`select ${key}, id from (select ${key}, unnest(${sql.identifier(base)}) as id from rollup_rows${where} union all select ${key}, ${raw} from raw_rows where ${raw} is not null) every
    group by ${key}, id`;
}

/**
 * The rank of a quantile is ceil(q n), as percentile_disc has it: the sketch and the exact value mean the same rank. Its bucket is
 * the first that reaches the rank; `width_bucket` counts those that do not. Counts are doubles: exact, and far cheaper than numeric.
 * Rows of one bucket that were not added up all reach what they reach together, so that their order does not matter.
 */
function keysBy(keys: readonly string[], quantiles: readonly number[], merged: boolean): SQL {
  const key = nameList(keys);
  const at = quantiles.map(
    (q) =>
      sql`found[width_bucket(greatest(1, ceil(${sql.raw(String(q))}::numeric * total::numeric))::float8 - 1, reached) + 1]`,
  );
  return sql`select ${key}, array[${commaList(at)}] as quantile_keys from (
    select ${key}, array_agg(sketch_key order by sketch_key) as found, array_agg(reached order by sketch_key) as reached, max(reached) as total from (
      select ${key}, sketch_key, sum(n) over (partition by ${key} order by sketch_key) as reached from (
        select ${key}, sketch_key, ${merged ? sql`n from sketches` : sql`sum(n) as n from sketches group by ${key}, sketch_key`}
      ) merged
    ) cumulated group by ${key}
  ) ranked`;
}

/** The merged sketch as text `key:count,…` in the order of keys. */
function sketchBy(keys: readonly string[]): SQL {
  const key = nameList(keys);
  return sql`select ${key}, string_agg(sketch_key || ':' || n, ',' order by sketch_key) as sketch from (
    select ${key}, sketch_key, sum(n) as n from sketches group by ${key}, sketch_key
  ) merged group by ${key}`;
}

function exactBy(keys: readonly string[], quantiles: readonly number[]): SQL {
  const key = nameList(keys);
  return sql`select ${key}, percentile_disc(array[${sql.raw(quantiles.join(", "))}]::float8[]) within group (order by duration_ms) as quantile_exact_ms
    from raws where duration_ms is not null group by ${key}`;
}

function distinctBy(keys: readonly string[], base: "users" | "agents", merged: boolean): SQL {
  const key = nameList(keys);
  const ids = sql`select ${key}, id from ${sql.raw(base)}${merged ? sql`` : sql` group by ${key}, id`}`;
  return sql`select ${key}, count(*) as ${sql.raw(`active_${base}`)} from (${ids}) ids group by ${key}`;
}

const SUM_COLUMNS = [
  ...[
    "executions",
    "successes",
    "failures",
    "timeouts",
    "cancellations",
    "running",
    "errors",
    "duration_count",
    "rolled_durations",
  ],
  ...[
    "duration_sum_ms",
    "duration_stddev_ms",
    "duration_min_ms",
    "duration_max_ms",
    "credits",
    "credits_avg",
    "tokens_in",
    "tokens_out",
  ],
];
export const STAT_COLUMNS = [
  ...SUM_COLUMNS,
  "quantile_keys",
  "quantile_exact_ms",
  "active_users",
  "active_agents",
  "sketch",
];

/**
 * All sums for every combination of the keys (at least one), from `cells`, and what sums do not hold from the bases and `raws`. The
 * parts are stacked and grouped, not joined: their sizes are unknown to the planner, and it could run one of them again for each
 * row of another.
 * @param merged whether the bases are by these keys already
 */
export function measureSums(keys: readonly string[], parts: QueryParts, merged = false): SQL {
  const quantiles = parts.quantiles.length > 0;
  const extras: { query: SQL; column: string }[] = [
    ...(quantiles
      ? [{ query: keysBy(keys, parts.quantiles, merged), column: "quantile_keys" }]
      : []),
    ...(quantiles ? [{ query: exactBy(keys, parts.quantiles), column: "quantile_exact_ms" }] : []),
    ...(parts.sketches ? [{ query: sketchBy(keys), column: "sketch" }] : []),
    ...(parts.users ? [{ query: distinctBy(keys, "users", merged), column: "active_users" }] : []),
    ...(parts.agents
      ? [{ query: distinctBy(keys, "agents", merged), column: "active_agents" }]
      : []),
  ];
  const extra = extras.map(({ column }) => column);
  const stacked = extras.map(({ query, column }) => {
    const others = [...SUM_COLUMNS, ...extra].map((name) =>
      name === column ? sql`${sql.identifier(name)}` : sql`null`,
    );
    return sql` union all select ${nameList(keys)}, ${commaList(others)} from (${query}) ${sql.identifier(column)}`;
  });
  const typed: Record<string, SQL> = {
    quantile_keys: sql`null::int[]`,
    quantile_exact_ms: sql`null::bigint[]`,
    sketch: sql`null::text`,
  };
  const empty = extra.map(
    (name) => sql`${typed[name] ?? sql`null::bigint`} as ${sql.identifier(name)}`,
  );
  const first = sql`select ${nameList(keys)}, ${commaList([...SUM_COLUMNS.map((name) => sql`${sql.identifier(name)}`), ...empty])} from (${sumsBy(keys, parts)}) sums`;
  const result = STAT_COLUMNS.map((name) => {
    const absent = !SUM_COLUMNS.includes(name) && !extra.includes(name);
    if (absent) return sql`${typed[name] ?? sql`0::bigint`} as ${sql.identifier(name)}`;
    const found = sql`max(${sql.identifier(name)})`;
    // Runs of no user have no row of distinct users.
    const value = name.startsWith("active_") ? sql`coalesce(${found}, 0)` : found;
    return sql`${value} as ${sql.identifier(name)}`;
  });
  return sql`select ${nameList(keys)}, ${commaList(result)} from (${first}${sql.join(stacked)}) parts group by ${nameList(keys)}`;
}
