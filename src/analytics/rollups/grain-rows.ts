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
import { type GrainKey, PART_SUMS, partsTable } from "./facts.ts";

/** The grains that a run of a unit makes of sums. */
export const GRAINS_OF_UNIT: Record<RollupUnit, readonly RollupGrain[]> = {
  minute: MINUTELY_GRAINS,
  hour: HOURLY_GRAINS,
  day: DAILY_GRAINS,
  session: [],
};

/** Whether the grain is a value of a column, in a table that holds several. */
export const hasGrainColumn = ({ grain }: RollupGrain) => grain !== "user";

const KEY_OF_GRAIN: Record<RollupGrain["grain"], GrainKey> = {
  total: "total",
  agent: "agent",
  cube: "cube",
  user: "person",
};

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

/** The agents of groups that are not told apart by agent, for their lists. */
const AGENTS: Partial<Record<GrainKey, SQL>> = {
  total: sql`agent_sums full join (select distinct agent, agent_id from labels) a using (agent)`,
  person: sql`facts where agent_id <> ''`,
};

/**
 * The lists of groups, as rows: sketch cells (`n`), chunks of users (`bits`) and agents. Each counts
 * for its status and, as the state 0, for all statuses together.
 */
function listedItems(key: GrainKey): SQL {
  const by = sql.raw(key === "total" ? "place" : `place, ${key}`);
  const sets = (item: SQL) =>
    sql`group by grouping sets ((${by}, state, ${item}), (${by}, ${item}))`;
  const kept = sql`${by}, coalesce(state, 0) as state`;
  const parts = [
    sql`
        select ${kept}, cell as item, sum(n)::int as n, null::bit(256) as bits,
          null as agent_id
        from ${partsTable("cells", key)}
        ${sets(sql`cell`)}`,
  ];
  if (key !== "person")
    parts.push(sql`
        select ${kept}, chunk, null, bit_or(bits), null
        from ${partsTable("chunks", key)}
        ${sets(sql`chunk`)}`);
  const agents = AGENTS[key];
  if (agents)
    parts.push(sql`
        select ${kept}, agent, null, null, agent_id
        from ${agents}
        ${sets(sql`agent, agent_id`)}`);
  return sql.join(
    parts,
    sql`
        union all`,
  );
}

const listOf = (value: string, condition: string) =>
  sql.raw(`coalesce(array_agg(${value} order by item) filter (where ${condition}), '{}')`);

const SUMS_OR_NONE = sql.raw(
  PART_SUMS.map((name) => (/^m/.test(name) ? `s.${name}` : `coalesce(s.${name}, 0)`)).join(", "),
);

/** One row for each group: its key, `state`, lists and sums; no sums of all statuses together. */
function groupedItems(key: GrainKey): SQL {
  const by = sql.raw(key === "total" ? "place" : `place, ${key}`);
  return sql`
      select ${by}, state,
        ${listOf("item", "n is not null and item is not null")} as sketch_keys,
        ${listOf("n", "n is not null and item is not null")} as sketch_counts,
        ${listOf("item", "bits is not null")} as user_chunks,
        ${listOf("bits", "bits is not null")} as user_bits,
        ${listOf("agent_id", "agent_id is not null")} as agents
      from (${listedItems(key)}
      ) items
      group by ${by}, state`;
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

/** Text of a grain's key, by the key (SQL); nothing for totals. */
const TEXT_OF_KEY: Record<GrainKey, SQL | undefined> = {
  total: undefined,
  agent: sql`(select distinct agent, agent_id from labels)`,
  cube: sql`(
      select distinct cube, agent_id, model, environment, version, error_type from labels
    )`,
  person: sql`(select person, user_id from users)`,
};

const STATUS = sql`case when g.state > 0 then (
        select array_agg(status order by state)
        from (select distinct state, status from labels) states
      )[g.state] else '' end`;

/**
 * Rows of one grain from the CTEs of its parts: the columns of `grainColumns`. Parts are stacked
 * and grouped, or joined in full: a planner that knows nothing of the sizes can then choose no bad
 * plan. Their order is that of the table's key, which halves what its index costs.
 */
export function grainRows(grain: RollupGrain): SQL {
  const key = KEY_OF_GRAIN[grain.grain];
  const keys = grainKeys(grain).filter((name) => name !== "status");
  const by = sql.raw(key === "total" ? "place" : `place, ${key}`);
  const text = TEXT_OF_KEY[key];
  const name = hasGrainColumn(grain) ? sql`${sql.raw(`'${grain.grain}'`)}, ` : sql``;
  return sql`
    select ${name}w.workspace_id, w.bucket,
      ${sql.raw(keys.map((each) => `t.${each}, `).join(""))}${STATUS},
      ${SUMS_OR_NONE}, g.sketch_keys, g.sketch_counts, ${sketchSum(grain)},
      g.user_chunks, g.user_bits, g.agents
    from (${groupedItems(key)}
    ) g
    full join ${partsTable("sums", key)} s using (${by}, state)
    ${text ? sql`full join ${text} t using (${sql.raw(key)})` : sql``}
    join asked w using (place)
    order by ${by}, state`;
}
