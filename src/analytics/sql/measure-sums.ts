import { type SQL, sql } from "drizzle-orm";
import { sumColumns, sumsBy } from "./cell-sums.ts";
import { nameList } from "./lists.ts";
import {
  distinctAgents,
  distinctUsers,
  exactQuantilesBy,
  quantileKeysBy,
  sketchDigitsBy,
  sketchTextBy,
} from "./merged-bases.ts";
import type { QueryParts } from "./query-parts.ts";

interface ExtraColumn {
  column: string;
  query: SQL;
}

/** Names of what sums do not hold, as far as it is asked for, and the type of each. */
function extraTypes(parts: QueryParts): Record<string, string> {
  const { quantiles, sketches, packed, users, agents } = parts;
  return {
    ...(packed && (sketches || quantiles.length > 0) ? { sketch_digits: "text" } : {}),
    ...(!packed && quantiles.length > 0 ? { quantile_keys: "int[]" } : {}),
    ...(quantiles.length > 0 ? { quantile_exact_ms: "bigint[]" } : {}),
    ...(!packed && sketches ? { sketch: "text" } : {}),
    ...(users ? { active_users: "bigint" } : {}),
    ...(agents ? { active_agents: "bigint" } : {}),
  };
}

/** Columns of every row of a result, in their order. */
export const statColumns = (parts: QueryParts): string[] => [
  ...sumColumns(parts),
  ...Object.keys(extraTypes(parts)),
];

/** The columns that sums do not hold. */
function extraColumns(
  keys: readonly string[],
  parts: QueryParts,
  isMerged: boolean,
): ExtraColumn[] {
  const { quantiles, sketches, packed, users, agents } = parts;
  const columns: ExtraColumn[] = [];
  const add = (column: string, query: SQL) => columns.push({ column, query });
  if (packed && (sketches || quantiles.length > 0)) add("sketch_digits", sketchDigitsBy(keys));
  if (!packed && quantiles.length > 0)
    add("quantile_keys", quantileKeysBy(keys, quantiles, isMerged));
  if (quantiles.length > 0) add("quantile_exact_ms", exactQuantilesBy(keys, quantiles));
  if (!packed && sketches) add("sketch", sketchTextBy(keys));
  if (users) add("active_users", distinctUsers(keys, isMerged));
  if (agents) add("active_agents", distinctAgents(keys, isMerged));
  return columns;
}

/**
 * All sums for every combination of the keys (at least one), from `cells`, and what sums do not
 * hold from the bases and `raws`, in rows of their own: the columns are the keys and
 * `statColumns`. The parts are stacked, not joined: their sizes are unknown to the planner, and it
 * could run one of them again for each row of another.
 * @param isMerged whether the bases are by these keys already
 */
export function measureParts(keys: readonly string[], parts: QueryParts, isMerged: boolean): SQL {
  const types = Object.entries(extraTypes(parts));
  const empty = types.map(([name, type]) => `null::${type} as ${name}`);
  const names = statColumns(parts);
  const sums = sql`
    select sums.*${sql.raw(empty.map((each) => `, ${each}`).join(""))}
    from (${sumsBy(keys, parts)}) sums`;
  const extras = extraColumns(keys, parts, isMerged).map(({ query, column }) => {
    const columns = names.map((name) => (name === column ? name : "null"));
    return sql`
      select ${nameList(keys)}, ${sql.raw(columns.join(", "))}
      from (${query}) ${sql.raw(column)}`;
  });
  return sql.join(
    [sums, ...extras],
    sql`
      union all`,
  );
}

/** `measureParts` with one row for each combination of the keys. */
export function measureSums(keys: readonly string[], parts: QueryParts, isMerged = false): SQL {
  if (Object.keys(extraTypes(parts)).length === 0) return sumsBy(keys, parts);
  // Runs of no user have no row of distinct users.
  const united = statColumns(parts).map((name) =>
    name.startsWith("active_") ? `coalesce(max(${name}), 0) as ${name}` : `max(${name}) as ${name}`,
  );
  return sql`
    select ${nameList(keys)}, ${sql.raw(united.join(", "))}
    from (${measureParts(keys, parts, isMerged)}
    ) parts
    group by ${nameList(keys)}`;
}
