import { type SQL, sql } from "drizzle-orm";

const columnOf = (alias: string | undefined): SQL =>
  sql.join(
    [...(alias === undefined ? [] : [alias]), "workspace_id"].map((name) => sql.identifier(name)),
    sql`.`,
  );

/**
 * The tenancy predicate. Every statement that reads or changes a workspace's rows has it, and has
 * it from here. The planner may not see the value: it would take a workspace that its statistics do
 * not know yet for empty, and choose as badly as one can for what is large. So it plans for all
 * workspaces alike.
 */
export function inWorkspace(workspaceId: string, alias?: string): SQL {
  return sql`${columnOf(alias)} = (select ${workspaceId}::text)`;
}

/**
 * A workspace (SQL) twice: to statistics that give each workspace one row, an index of the
 * workspace alone is then still dearer than one of the workspace and what else is asked for. Such a
 * scan gives its rows in no order.
 */
const twice = (workspace: SQL, alias: string) =>
  sql`${columnOf(alias)} = any(array[${workspace}, ${workspace}])`;

/**
 * The tenancy predicate of rows that further columns of an index narrow down: a key, or a range of
 * times. In no order.
 */
export function keyInWorkspace(workspaceId: string, alias: string): SQL {
  return twice(sql`(select ${workspaceId}::text)`, alias);
}

/** As `keyInWorkspace`, of rows whose workspace is a column of a list (an alias). */
export function keyInList(list: string, alias: string): SQL {
  return twice(columnOf(list), alias);
}

/**
 * For a list of keys that rows are changed by: the planner takes it for one row, and looks the rows
 * up. A list that it takes for long is joined with all of a table.
 */
export function asOneRow(alias: string): SQL {
  return sql`${sql.identifier(alias)}.id || '' = ${sql.identifier(alias)}.id`;
}
