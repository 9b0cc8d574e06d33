import { type SQL, sql } from "drizzle-orm";
import { sketchKey } from "./sketch.ts";

/** What a question needs beside the sums, which are always there. */
export interface Parts {
  quantiles: number[];
  users: boolean;
  agents: boolean;
  /** The whole sketch of durations, for what needs more than a few quantiles. */
  sketches: boolean;
}

/** Whether the rows themselves are needed, and not only sums of them. */
export const needsRows = ({ quantiles, users, agents, sketches }: Parts) => quantiles.length > 0 || users || agents || sketches;

export const list = (items: readonly SQL[]) => sql.join([...items], sql`, `);
export const names = (items: readonly string[]) => list(items.map((name) => sql`${sql.identifier(name)}`));
export const SUMS = sql`executions, errors, duration_count, duration_sum_ms, duration_sum_squares, duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out`;

const count = (status: string) => sql`coalesce(sum(executions) filter (where status = ${sql.raw(`'${status}'`)}), 0)::bigint`;

const CELL = [
  ...["executions", "errors", "duration_count", "rolled_durations", "duration_sum_ms", "duration_sum_squares"],
  ...["duration_min_ms", "duration_max_ms", "credits", "tokens_in", "tokens_out", "raw_rows"],
];
const AGGREGATES: Record<string, string> = { duration_min_ms: "min", duration_max_ms: "max" };

/**
 * What all sums are made of: rows of `rolls0` and `raws0` by the keys and the status. Summed up once here when groups are to be
 * ranked, because the rows are then read three times (for the order, the groups and the total).
 */
export function cells(keys: readonly SQL[], rolls: SQL, raws: SQL, summed: boolean): SQL {
  const rows = sql`select ${rolls}, status, executions, errors, duration_count, duration_count as rolled_durations, duration_sum_ms, duration_sum_squares,
      duration_min_ms, duration_max_ms, credits, tokens_in, tokens_out, 0 as raw_rows from rolls0
    union all
    select ${raws}, status, 1, errors, (duration_ms is not null)::int, 0, duration_ms, duration_ms::numeric * duration_ms, duration_ms, duration_ms,
      credits, tokens_in, tokens_out, 1 from raws0`;
  if (!summed) return rows;
  const sums = CELL.map((name) => sql.raw(`${AGGREGATES[name] ?? "sum"}(${name}) as ${name}`));
  return sql`select ${list(keys)}, status, ${list(sums)} from (${rows}) rows(${list([...keys, sql`status`, ...CELL.map((name) => sql.raw(name))])}) group by ${list(keys)}, status`;
}

function sumsBy(keys: readonly string[]): SQL {
  const key = names(keys);
  return sql`select ${key}, sum(executions)::bigint as executions, ${count("success")} as successes, ${count("failure")} as failures,
    ${count("timeout")} as timeouts, ${count("cancelled")} as cancellations, ${count("running")} as running, sum(errors)::bigint as errors,
    sum(duration_count)::bigint as duration_count, sum(rolled_durations)::bigint as rolled_durations,
    coalesce(sum(duration_sum_ms), 0) as duration_sum_ms, min(duration_min_ms) as duration_min_ms, max(duration_max_ms) as duration_max_ms,
    case when sum(duration_count) > 1 then sqrt(greatest(0, sum(duration_sum_squares) - sum(duration_sum_ms) ^ 2 / sum(duration_count))
      / (sum(duration_count) - 1))::float8 end as duration_stddev_ms,
    round(coalesce(sum(credits), 0), 6) as credits, round(coalesce(sum(credits), 0) / sum(executions), 6) as credits_avg,
    coalesce(sum(tokens_in), 0) as tokens_in, coalesce(sum(tokens_out), 0) as tokens_out
    from cells group by ${key}`;
}

/** The rank of a quantile is ceil(q n), as percentile_disc has it: the sketch and the exact value mean the same rank. */
function keysBy(keys: readonly string[], quantiles: readonly number[]): SQL {
  const key = names(keys);
  const at = quantiles.map((q) => sql`min(sketch_key) filter (where reached >= greatest(1, ceil(${sql.raw(String(q))}::numeric * total)))`);
  return sql`select ${key}, array[${list(at)}] as quantile_keys from (
    select ${key}, sketch_key, sum(n) over (partition by ${key} order by sketch_key) as reached, sum(n) over (partition by ${key}) as total from (
      select ${key}, sketch_key, sum(n) as n from (
        select ${key}, unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n from rolls
        union all select ${key}, ${sketchKey(sql`duration_ms`)}, 1 from raws where duration_ms is not null
      ) counts group by ${key}, sketch_key
    ) merged
  ) ranked group by ${key}`;
}

/** The merged sketch as text `key:count,…` in the order of keys. */
function sketchBy(keys: readonly string[]): SQL {
  const key = names(keys);
  return sql`select ${key}, string_agg(sketch_key || ':' || n, ',' order by sketch_key) as sketch from (
    select ${key}, sketch_key, sum(n) as n from (
      select ${key}, unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n from rolls
      union all select ${key}, ${sketchKey(sql`duration_ms`)}, 1 from raws where duration_ms is not null
    ) counts group by ${key}, sketch_key
  ) merged group by ${key}`;
}

function exactBy(keys: readonly string[], quantiles: readonly number[]): SQL {
  const key = names(keys);
  return sql`select ${key}, percentile_disc(array[${sql.raw(quantiles.join(", "))}]::float8[]) within group (order by duration_ms) as quantile_exact_ms
    from raws where duration_ms is not null group by ${key}`;
}

/** Grouped and not by UNION: the planner takes all rows of a UNION for different, and lays out a hash table for that many. */
function distinctBy(keys: readonly string[], rolled: string, raw: string, as: string): SQL {
  const key = names(keys);
  return sql`select ${key}, count(*) as ${sql.identifier(as)} from (
    select ${key}, id from (select ${key}, unnest(${sql.identifier(rolled)}) as id from rolls union all select ${key}, ${sql.identifier(raw)} from raws) every
    group by ${key}, id
  ) ids group by ${key}`;
}

const SUM_COLUMNS = [
  ...["executions", "successes", "failures", "timeouts", "cancellations", "running", "errors", "duration_count", "rolled_durations"],
  ...["duration_sum_ms", "duration_stddev_ms", "duration_min_ms", "duration_max_ms", "credits", "credits_avg", "tokens_in", "tokens_out"],
];
export const STAT_COLUMNS = [...SUM_COLUMNS, "quantile_keys", "quantile_exact_ms", "active_users", "active_agents", "sketch"];

/**
 * All sums for every combination of the keys (at least one), from `cells`, and what sums do not hold from `rolls` and `raws`. The parts are stacked and grouped, not
 * joined: their sizes are unknown to the planner, and it could run one of them again for each row of another.
 */
export function stats(keys: readonly string[], parts: Parts): SQL {
  const quantiles = parts.quantiles.length > 0;
  const extras: { query: SQL; column: string }[] = [
    ...(quantiles ? [{ query: keysBy(keys, parts.quantiles), column: "quantile_keys" }] : []),
    ...(quantiles ? [{ query: exactBy(keys, parts.quantiles), column: "quantile_exact_ms" }] : []),
    ...(parts.sketches ? [{ query: sketchBy(keys), column: "sketch" }] : []),
    ...(parts.users ? [{ query: distinctBy(keys, "users", "user_id", "active_users"), column: "active_users" }] : []),
    ...(parts.agents ? [{ query: distinctBy(keys, "agents", "agent_id", "active_agents"), column: "active_agents" }] : []),
  ];
  const extra = extras.map(({ column }) => column);
  const stacked = extras.map(({ query, column }) => {
    const others = [...SUM_COLUMNS, ...extra].map((name) => (name === column ? sql`${sql.identifier(name)}` : sql`null`));
    return sql` union all select ${names(keys)}, ${list(others)} from (${query}) ${sql.identifier(column)}`;
  });
  const typed: Record<string, SQL> = { quantile_keys: sql`null::int[]`, quantile_exact_ms: sql`null::bigint[]`, sketch: sql`null::text` };
  const empty = extra.map((name) => sql`${typed[name] ?? sql`null::bigint`} as ${sql.identifier(name)}`);
  const first = sql`select ${names(keys)}, ${list([...SUM_COLUMNS.map((name) => sql`${sql.identifier(name)}`), ...empty])} from (${sumsBy(keys)}) sums`;
  const result = STAT_COLUMNS.map((name) => {
    const absent = !SUM_COLUMNS.includes(name) && !extra.includes(name);
    return sql`${absent ? (typed[name] ?? sql`0::bigint`) : sql`max(${sql.identifier(name)})`} as ${sql.identifier(name)}`;
  });
  return sql`select ${names(keys)}, ${list(result)} from (${first}${sql.join(stacked)}) parts group by ${names(keys)}`;
}
