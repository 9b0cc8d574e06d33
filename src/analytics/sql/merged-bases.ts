import { type SQL, sql } from "drizzle-orm";
import { commaList, nameList } from "./lists.ts";
import type { MergedBase } from "./query-parts.ts";
import { sketchKey } from "./sketch.ts";

interface MergeOptions {
  /** Whether sketches and sets stand in the rows of status ''. */
  mergedStatuses: boolean;
  /** Whether it is read once, by these keys: buckets of sketches then wait for the sort. */
  readOnce: boolean;
}

function sketchesBy(keys: SQL, where: SQL, readOnce: boolean): SQL {
  const counts = sql`(
      select ${keys}, unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n
      from rollup_rows${where}
      union all
      select ${keys}, ${sketchKey(sql`duration_ms`)}, 1
      from raw_rows
      where duration_ms is not null
    ) counts`;
  if (readOnce)
    return sql`
    select ${keys}, sketch_key, n::float8 as n
    from ${counts}`;
  return sql`
    select ${keys}, sketch_key, sum(n)::float8 as n
    from ${counts}
    group by ${keys}, sketch_key`;
}

/**
 * A base by the keys, from `rollup_rows` and `raw_rows`. Grouped and not by UNION: the planner
 * takes all rows of a UNION for different, and lays out a hash table for that many.
 */
export function baseBy(
  base: MergedBase,
  names: readonly string[],
  { mergedStatuses, readOnce }: MergeOptions,
): SQL {
  const keys = nameList(names);
  const where = mergedStatuses ? sql` where status = ''` : sql``;
  if (base === "sketches") return sketchesBy(keys, where, readOnce);
  const id = sql.raw(base === "users" ? "user_id" : "agent_id");
  return sql`
    select ${keys}, id
    from (
      select ${keys}, unnest(${sql.identifier(base)}) as id from rollup_rows${where}
      union all
      select ${keys}, ${id} from raw_rows where ${id} is not null
    ) every
    group by ${keys}, id`;
}

/**
 * Sketch keys of quantiles. The rank of a quantile is ceil(q n), as percentile_disc has it: the
 * sketch and the exact value mean the same rank. Its bucket is the first whose cumulative count
 * reaches the rank; `width_bucket` counts those below. Counts are doubles: exact, and far cheaper
 * than numeric. Rows of one bucket that were not added up all reach what they reach together, so
 * that their order does not matter.
 */
export function quantileKeysBy(
  names: readonly string[],
  quantiles: readonly number[],
  isMerged: boolean,
): SQL {
  const keys = nameList(names);
  const found = quantiles.map(
    (q) => sql`found[width_bucket(
        greatest(1, ceil(${sql.raw(String(q))}::numeric * total::numeric))::float8 - 1, reached
      ) + 1]`,
  );
  const merged = isMerged
    ? sql`n from sketches`
    : sql`sum(n) as n from sketches group by ${keys}, sketch_key`;
  return sql`
    select ${keys}, array[${commaList(found)}] as quantile_keys
    from (
      select ${keys},
        array_agg(sketch_key order by sketch_key) as found,
        array_agg(reached order by sketch_key) as reached,
        max(reached) as total
      from (
        select ${keys}, sketch_key,
          sum(n) over (partition by ${keys} order by sketch_key) as reached
        from (select ${keys}, sketch_key, ${merged}) merged
      ) cumulated
      group by ${keys}
    ) ranked`;
}

/** The merged sketch as text `key:count,…` in the order of keys. */
export function sketchTextBy(names: readonly string[]): SQL {
  const keys = nameList(names);
  return sql`
    select ${keys}, string_agg(sketch_key || ':' || n, ',' order by sketch_key) as sketch
    from (
      select ${keys}, sketch_key, sum(n) as n
      from sketches
      group by ${keys}, sketch_key
    ) merged
    group by ${keys}`;
}

/** Exact quantiles, of raw rows alone. */
export function exactQuantilesBy(names: readonly string[], quantiles: readonly number[]): SQL {
  const keys = nameList(names);
  const list = sql.raw(quantiles.join(", "));
  return sql`
    select ${keys},
      percentile_disc(array[${list}]::float8[]) within group (order by duration_ms)
        as quantile_exact_ms
    from raws
    where duration_ms is not null
    group by ${keys}`;
}

/** Numbers of distinct users or agents. */
export function distinctBy(
  names: readonly string[],
  base: "users" | "agents",
  isMerged: boolean,
): SQL {
  const keys = nameList(names);
  const grouping = isMerged ? sql`` : sql` group by ${keys}, id`;
  return sql`
    select ${keys}, count(*) as ${sql.raw(`active_${base}`)}
    from (select ${keys}, id from ${sql.raw(base)}${grouping}) ids
    group by ${keys}`;
}
