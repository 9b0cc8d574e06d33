import { type SQL, sql } from "drizzle-orm";
import { SUM_COLUMNS, sumsBy } from "./cell-sums.ts";
import { commaList, nameList } from "./lists.ts";
import {
  distinctAgents,
  distinctUsers,
  exactQuantilesBy,
  quantileKeysBy,
  sketchTextBy,
} from "./merged-bases.ts";
import type { QueryParts } from "./query-parts.ts";

/** Columns of every row of a result, in their order. */
export const STAT_COLUMNS: readonly string[] = [
  ...SUM_COLUMNS,
  "quantile_keys",
  "quantile_exact_ms",
  "active_users",
  "active_agents",
  "sketch",
];

interface ExtraColumn {
  column: string;
  query: SQL;
}

const EMPTY: Record<string, SQL> = {
  quantile_keys: sql`null::int[]`,
  quantile_exact_ms: sql`null::bigint[]`,
  sketch: sql`null::text`,
};

/** What sums do not hold, one column each. */
function extraColumns(
  keys: readonly string[],
  { quantiles, sketches, users, agents }: QueryParts,
  isMerged: boolean,
): ExtraColumn[] {
  const columns: ExtraColumn[] = [];
  const add = (column: string, query: SQL) => columns.push({ column, query });
  if (quantiles.length > 0) {
    add("quantile_keys", quantileKeysBy(keys, quantiles, isMerged));
    add("quantile_exact_ms", exactQuantilesBy(keys, quantiles));
  }
  if (sketches) add("sketch", sketchTextBy(keys));
  if (users) add("active_users", distinctUsers(keys, isMerged));
  if (agents) add("active_agents", distinctAgents(keys, isMerged));
  return columns;
}

/**
 * All sums for every combination of the keys (at least one), from `cells`, and what sums do not
 * hold from the bases and `raws`. The parts are stacked and grouped, not joined: their sizes are
 * unknown to the planner, and it could run one of them again for each row of another.
 * @param isMerged whether the bases are by these keys already
 */
export function measureSums(keys: readonly string[], parts: QueryParts, isMerged = false): SQL {
  const extras = extraColumns(keys, parts, isMerged);
  const names = extras.map(({ column }) => column);
  const stacked = extras.map(({ query, column }) => {
    const columns = [...SUM_COLUMNS, ...names].map((name) =>
      name === column ? sql`${sql.identifier(name)}` : sql`null`,
    );
    return sql`
      union all
      select ${nameList(keys)}, ${commaList(columns)}
      from (${query}) ${sql.identifier(column)}`;
  });
  const empty = names.map(
    (name) => sql`${EMPTY[name] ?? sql`null::bigint`} as ${sql.identifier(name)}`,
  );
  const sums = SUM_COLUMNS.map((name) => sql`${sql.identifier(name)}`);
  return sql`
    select ${nameList(keys)}, ${commaList(STAT_COLUMNS.map((name) => resultColumn(name, names)))}
    from (
      select ${nameList(keys)}, ${commaList([...sums, ...empty])}
      from (${sumsBy(keys, parts)}) sums${sql.join(stacked)}
    ) parts
    group by ${nameList(keys)}`;
}

/** The one value that the stacked parts have for a column; empty for what nobody asked for. */
function resultColumn(name: string, extras: readonly string[]): SQL {
  const column = sql.identifier(name);
  if (!SUM_COLUMNS.includes(name) && !extras.includes(name))
    return sql`${EMPTY[name] ?? sql`0::bigint`} as ${column}`;
  // Runs of no user have no row of distinct users.
  return name.startsWith("active_")
    ? sql`coalesce(max(${column}), 0) as ${column}`
    : sql`max(${column}) as ${column}`;
}
