import { type SQL, sql } from "drizzle-orm";
import type { RollupUnit } from "./definition.ts";

/** Sums of a group of rows, as they are called on their way to a rollup row. */
export const PART_SUMS: readonly string[] = [
  "n",
  "errors",
  "durations",
  "sum_ms",
  "sum_squares",
  "min_ms",
  "max_ms",
  "credits",
  "tokens_in",
  "tokens_out",
];

/**
 * The dimensions of a grain beside the status, as an integer: all text is replaced by small integers
 * before anything is grouped or sorted.
 */
export type GrainKey = "total" | "agent" | "cube" | "person";

const CUBE_KEYS = ["agent_id", "model", "environment", "version", "error_type"];

/** Columns that a unit's rows are told apart by, beside the user. */
export const labelKeys = (unit: RollupUnit): readonly string[] =>
  unit === "day" ? [...CUBE_KEYS, "status"] : ["agent_id", "status"];

/**
 * Exact. Squares of durations below 34 days fit a bigint, whose sum is several times cheaper than a
 * numeric's.
 */
const SUM_SQUARES = `coalesce(sum(case when ms < 3000000000 then ms * ms end), 0)
        + coalesce(sum(ms::numeric * ms) filter (where ms >= 3000000000), 0)`;

const SUMS_OF_FACTS = sql.raw(`
      count(*) as n,
      count(*) filter (where failed) as errors,
      count(ms) as durations,
      coalesce(sum(ms), 0) as sum_ms,
      ${SUM_SQUARES} as sum_squares,
      min(ms) as min_ms,
      max(ms) as max_ms,
      coalesce(sum(credits), 0) as credits,
      coalesce(sum(tokens_in), 0) as tokens_in,
      coalesce(sum(tokens_out), 0) as tokens_out`);

const aggregateOf = (name: string) => /^(min|max)/.exec(name)?.[0] ?? "sum";
const SUMS_AGAIN = sql.raw(
  PART_SUMS.map((name) => `${aggregateOf(name)}(${name}) as ${name}`).join(", "),
);

interface Parts {
  key: GrainKey;
  /** The parts that these are made of; the facts without. */
  of?: GrainKey;
  /** A key that is of no further account: it is the same in each group, and the next parts' key. */
  along?: GrainKey;
}

const PARTS_OF_UNIT: Record<RollupUnit, readonly Parts[]> = {
  minute: [{ key: "agent" }, { key: "total", of: "agent" }],
  hour: [{ key: "agent" }, { key: "total", of: "agent" }],
  day: [
    { key: "cube", along: "agent" },
    { key: "agent", of: "cube" },
    { key: "total", of: "agent" },
    { key: "person" },
  ],
  session: [],
};

export const partsTable = (kind: "sums" | "cells" | "chunks", key: GrainKey): SQL =>
  sql.raw(`${key}_${kind}`);

/** CTEs: sums, sketch cells and chunks of users by one key and the status. */
function partTables({ key, of, along }: Parts): SQL {
  const names = ["place", ...(along ? [along] : []), ...(key === "total" ? [] : [key]), "state"];
  const by = sql.raw(names.join(", "));
  const from = (kind: "sums" | "cells" | "chunks") => (of ? partsTable(kind, of) : sql`facts`);
  const tables = [
    sql`${partsTable("sums", key)} as materialized (
    select ${by}, ${of ? SUMS_AGAIN : SUMS_OF_FACTS}
    from ${from("sums")}
    group by ${by}
  )`,
    sql`${partsTable("cells", key)} as materialized (
    select ${by}, cell, ${sql.raw(of ? "sum(n)" : "count(*)")}::int as n
    from ${from("cells")}
    group by ${by}, cell
  )`,
  ];
  if (key !== "person")
    tables.push(sql`${partsTable("chunks", key)} as materialized (
    select ${by}, chunk, bit_or(bits) as bits
    from ${from("chunks")}
    where chunk is not null
    group by ${by}, chunk
  )`);
  return sql.join(tables, sql`,\n  `);
}

/**
 * CTEs: the labels of raw rows by integers in their order (`labels`), raw rows with integers in
 * place of text (`facts`), and sums, cells and chunks of each key. Joins are full ones, though
 * every row has its match: the planner, which knows no sizes here, might loop over any other.
 */
export function factTables(unit: RollupUnit): SQL {
  const keys = sql.raw(labelKeys(unit).join(", "));
  const cube = unit === "day";
  const rank = (by: readonly string[]) =>
    sql.raw(`(dense_rank() over (order by ${by.join(", ")}))::int`);
  return sql`labels as materialized (
    select ${keys},
      ${rank(["agent_id"])} as agent,
      ${cube ? sql`${rank(CUBE_KEYS)} as cube,` : sql``}
      ${rank(["status"])} as state
    from (select ${keys} from raw group by ${keys}) l
  ),
  facts as materialized (
    select r.place, l.agent, ${sql.raw(cube ? "l.cube, r.quarter, r.status, r.agent_id," : "")}
      l.state, u.person, u.chunk, u.bits, r.cell, r.failed, r.ms, r.credits,
      r.tokens_in, r.tokens_out
    from raw r
    full join users u using (space, user_id)
    full join labels l using (${keys})
  ),
  ${sql.join(PARTS_OF_UNIT[unit].map(partTables), sql`,\n  `)}`;
}
