import { type SQL, sql } from "drizzle-orm";
import { userSetRows } from "../rollups/user-sets.ts";
import { commaList, nameList } from "./lists.ts";
import type { MergedBase } from "./query-parts.ts";
import { packedCells, sketchKey } from "./sketch.ts";

interface MergeOptions {
  workspaceId: string;
  /** Whether users of rollups are sets of numbers; else each row has its one. */
  haveUserSets: boolean;
  /** Whether sketches and sets stand in the rows of status ''. */
  mergedStatuses: boolean;
  /** Whether sketches are added up as numbers. */
  packed: boolean;
  /** Whether it is read once, by these keys: buckets of sketches then wait for the sort. */
  readOnce: boolean;
}

/** Cells of the sketches of `rollups` (SQL) and of raw rows, by the keys. */
const cellsOf = (keys: SQL, rollups: SQL) => sql`(
      select ${keys}, unnest(sketch_keys) as sketch_key, unnest(sketch_counts) as n
      from ${rollups}
      union all
      select ${keys}, ${sketchKey(sql`duration_ms`)}, 1
      from raw_rows
      where duration_ms is not null
    ) counts`;

/** One packed sketch for each combination of the keys. */
function packedSketchesBy(keys: SQL): SQL {
  const sparse = sql`(select * from rollup_rows where sketch_sum is null) sparse`;
  return sql`
    select ${keys}, sum(sketch_sum) as sketch_sum
    from (
      select ${keys}, sketch_sum from rollup_rows where sketch_sum is not null
      union all
      select ${keys}, ${packedCells(sql`sketch_key`, sql`sum(n)`)}
      from ${cellsOf(keys, sparse)}
      group by ${keys}, sketch_key
    ) packed
    group by ${keys}`;
}

function sketchesBy(keys: SQL, where: SQL, readOnce: boolean): SQL {
  const counts = cellsOf(keys, sql`rollup_rows${where}`);
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
export function baseBy(base: MergedBase, names: readonly string[], options: MergeOptions): SQL {
  const keys = nameList(names);
  const where = options.mergedStatuses ? sql` where status = ''` : sql``;
  if (base === "sketches")
    return options.packed ? packedSketchesBy(keys) : sketchesBy(keys, where, options.readOnce);
  if (base === "users") return usersBy(keys, where, options);
  return sql`
    select ${keys}, id
    from (
      select ${keys}, unnest(agents) as id from rollup_rows${where}
      union all
      select ${keys}, agent_id from raw_rows
    ) every
    group by ${keys}, id`;
}

/** Users by the keys: chunks of bits, and ids (`id`) of those that no rollup has. */
function usersBy(keys: SQL, where: SQL, { workspaceId, haveUserSets }: MergeOptions): SQL {
  const raw = sql`
      select ${keys}, user_id from raw_rows where user_id is not null group by ${keys}, user_id`;
  if (!haveUserSets)
    return sql`
    select ${keys}, null::int as chunk, null::bit(256) as bits, user_id as id
    from (
      select ${keys}, user_id from rollup_rows${where}
      union all${raw}
    ) every
    where user_id is not null
    group by ${keys}, user_id`;
  return sql`
    select ${keys}, chunk, bit_or(bits) as bits, id
    from (
      select ${keys}, unnest(user_chunks) as chunk, unnest(user_bits) as bits, null::text as id
      from rollup_rows${where}
      union all${userSetRows(keys, raw, workspaceId)}
    ) every
    group by ${keys}, chunk, id`;
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

/** The packed sketch as text. */
export function sketchDigitsBy(names: readonly string[]): SQL {
  const keys = nameList(names);
  return sql`
    select ${keys}, sum(sketch_sum)::text as sketch_digits
    from sketches
    group by ${keys}`;
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

/** Numbers of distinct agents. */
export function distinctAgents(names: readonly string[], isMerged: boolean): SQL {
  const keys = nameList(names);
  const grouping = isMerged ? sql`` : sql` group by ${keys}, id`;
  return sql`
    select ${keys}, count(*) as active_agents
    from (select ${keys}, id from agents${grouping}) ids
    group by ${keys}`;
}

/** Numbers of distinct users. */
export function distinctUsers(names: readonly string[], isMerged: boolean): SQL {
  const keys = nameList(names);
  const united = isMerged
    ? sql`select ${keys}, bits from users`
    : sql`select ${keys}, bit_or(bits) as bits from users group by ${keys}, chunk, id`;
  return sql`
    select ${keys}, sum(coalesce(bit_count(bits), 1))::bigint as active_users
    from (${united}) sets
    group by ${keys}`;
}
