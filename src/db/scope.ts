import { type SQL, sql } from "drizzle-orm";

/** The tenancy predicate. Every statement that reads or changes a workspace's rows has it, and has it from here. */
export function inWorkspace(workspaceId: string, alias?: string): SQL {
  const column = alias
    ? sql`${sql.identifier(alias)}.${sql.identifier("workspace_id")}`
    : sql.identifier("workspace_id");
  return sql`${column} = ${workspaceId}`;
}
