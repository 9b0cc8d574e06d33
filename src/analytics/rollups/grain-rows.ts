import { type SQL, sql } from "drizzle-orm";
import { packedCells } from "../sql/sketch.ts";
import {
  DAILY_GRAINS,
  grainKeys,
  HOURLY_GRAINS,
  MERGEABLE_COLUMNS,
  MINUTELY_GRAINS,
  type RollupGrain,
  type RollupUnit,
} from "./definition.ts";
import { FINEST_PARTS, type FinestPart, NO_SUMS, PART_SUMS } from "./raw-parts.ts";

/** The grains that a run of a unit makes of sums. */
export const GRAINS_OF_UNIT: Record<RollupUnit, readonly RollupGrain[]> = {
  minute: MINUTELY_GRAINS,
  hour: HOURLY_GRAINS,
  day: DAILY_GRAINS,
  session: [],
};

/** Whether the grain is a value of a column, in a table that holds several. */
export const hasGrainColumn = ({ grain }: RollupGrain) => grain !== "user";

function partOf({ table, grain }: RollupGrain): FinestPart {
  if (grain === "user") return "users";
  return table === "execution_metrics_daily" ? "cube" : "agents";
}

/** Columns of a grain's table, in the order in which `grainRows` gives them. */
export const grainColumns = (grain: RollupGrain): SQL =>
  sql.raw(
    [
      ...(hasGrainColumn(grain) ? ["grain"] : []),
      "workspace_id",
      "bucket",
      ...grainKeys(grain),
      ...MERGEABLE_COLUMNS,
    ].join(", "),
  );

const aggregateOf = (name: string) => /^(min|max)/.exec(name)?.[0] ?? "sum";
const SUMS_AGAIN = sql.raw(
  PART_SUMS.map((name) => `${aggregateOf(name)}(${name}) as ${name}`).join(", "),
);
const SUMS_AS_THEY_ARE = sql.raw(PART_SUMS.join(", "));

/** Parts by the keys of a grain: the finest as they are, or summed up. */
function partsBy(keys: readonly string[], part: FinestPart): SQL {
  const by = sql.raw(["place", ...keys.filter((key) => key !== "status"), "status"].join(", "));
  const finest = FINEST_PARTS[part];
  const table = sql.identifier(finest.name);
  if (keys.length === finest.keys.length)
    return sql`
      select ${by}, sketch_key, user_chunk, user_bits, agent_set, ${SUMS_AS_THEY_ARE}, weight
      from ${table}`;
  const agents = sql`
      union all
      select ${by}, null, null, null, agent_id, ${NO_SUMS}, 0
      from (select distinct ${by}, agent_id from ${table}) pairs`;
  return sql`
      select ${by}, sketch_key, user_chunk, bit_or(user_bits) as user_bits, agent_set,
        ${SUMS_AGAIN}, sum(weight) as weight
      from ${table}
      group by ${by}, sketch_key, user_chunk, agent_set${
        keys.includes("agent_id") ? sql`` : agents
      }`;
}

const listOf = (column: string, order: string) =>
  sql.raw(
    `coalesce(array_agg(${column} order by ${order}) filter (where ${order} is not null), '{}')`,
  );

/** Parts as one row for each group, by the keys (SQL), from the CTE `parts`. */
function groupedParts(keys: SQL): SQL {
  return sql`
      select ${keys}, status,
        sum(n)::bigint as n,
        sum(errors)::bigint as errors,
        sum(durations)::bigint as durations,
        sum(sum_ms) as sum_ms,
        sum(sum_squares) as sum_squares,
        min(min_ms) as min_ms,
        max(max_ms) as max_ms,
        sum(credits) as credits,
        sum(tokens_in) as tokens_in,
        sum(tokens_out) as tokens_out,
        ${listOf("sketch_key", "sketch_key")} as sketch_keys,
        ${listOf("weight::int", "sketch_key")} as sketch_counts,
        ${listOf("user_chunk", "user_chunk")} as user_chunks,
        ${listOf("user_bits", "user_chunk")} as user_bits,
        ${listOf("agent_set", "agent_set")} as agents
      from (
        select * from parts
        union all
        select ${keys}, '' as status, sketch_key, user_chunk, bit_or(user_bits), agent_set,
          ${NO_SUMS}, sum(weight) as weight
        from parts
        group by ${keys}, sketch_key, user_chunk, agent_set
      ) stacked
      group by ${keys}, status`;
}

/**
 * A sketch of so many cells is stored as one number too: to add it is faster than to merge it. The
 * rows of other grains are many, and each has few cells.
 */
const DENSE_CELLS = sql.raw("32");

const SKETCH_SUM = sql`case when cardinality(g.sketch_keys) >= ${DENSE_CELLS} then (
        select sum(${packedCells(sql`c.key`, sql`c.n`)})
        from unnest(g.sketch_keys, g.sketch_counts) c(key, n)
      ) end`;

const sketchSum = ({ grain }: RollupGrain) =>
  grain === "total" || grain === "agent" ? SKETCH_SUM : sql`null::numeric`;

/**
 * Rows of one grain from the CTE of its finest parts: the columns of `grainColumns`. Parts are
 * stacked and grouped, not joined: a planner that knows nothing of the sizes can then choose no bad
 * plan.
 */
export function grainRows(grain: RollupGrain): SQL {
  const keys = grainKeys(grain);
  const kept = sql.raw(["place", ...keys.filter((key) => key !== "status")].join(", "));
  const name = hasGrainColumn(grain) ? sql`${sql.raw(`'${grain.grain}'`)}, ` : sql``;
  return sql`
    with parts as materialized (${partsBy(keys, partOf(grain))}
    )
    select ${name}w.workspace_id, w.bucket, ${sql.raw(keys.map((key) => `g.${key}`).join(", "))},
      g.n, g.errors, g.durations, g.sum_ms, g.sum_squares, g.min_ms, g.max_ms,
      g.credits, g.tokens_in, g.tokens_out, g.sketch_keys, g.sketch_counts, ${sketchSum(grain)},
      g.user_chunks, g.user_bits, g.agents
    from (${groupedParts(kept)}
    ) g
    join asked w using (place)`;
}
