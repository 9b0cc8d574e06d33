import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../context.ts";
import { insertWithin } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";

const namedAgent = z.object({
  id: z.string(),
  name: z.string().nullable(),
  labels: z.array(z.string()),
});
export type NamedAgent = z.output<typeof namedAgent>;

/** Names and labels of these agents, by id; agents without any are left out. */
export async function agentNames(
  ctx: Context,
  workspaceId: string,
  ids: readonly string[],
): Promise<Map<string, NamedAgent>> {
  const rows = await ctx.db.all({
    sql: sql`
      select a.id, a.name, a.labels
      from agents a
      where ${inWorkspace(workspaceId, "a")} and a.id = any(${sql.param([...ids])}::text[])`,
    row: namedAgent,
  });
  return new Map(rows.map((row) => [row.id, row]));
}

const MAX_MATCHES = 1000;

/** Ids of agents whose name contains a text, or that have a label. */
export async function findAgentIds(
  ctx: Context,
  workspaceId: string,
  by: { name: string } | { label: string },
): Promise<string[]> {
  const matches =
    "name" in by
      ? sql`position(lower(${by.name}::text) in lower(a.name)) > 0`
      : sql`${by.label}::text = any(a.labels)`;
  const rows = await ctx.db.all({
    sql: sql`
      select a.id
      from agents a
      where ${inWorkspace(workspaceId, "a")} and ${matches}
      order by a.id
      limit ${MAX_MATCHES}`,
    row: z.object({ id: z.string() }),
  });
  return rows.map((row) => row.id);
}

export interface AgentChange {
  name?: string | null | undefined;
  labels?: string[] | undefined;
}

/**
 * Sets the given fields and leaves the others. Safe to run twice.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function describeAgent(
  ctx: Context,
  workspaceId: string,
  id: string,
  { name, labels }: AgentChange,
): Promise<NamedAgent> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const labelList = sql.param([...new Set(labels)]);
  return insertWithin(ctx.db, owner, {
    table: "agents",
    name: "named_agents",
    insert: (allowed) => sql`
      insert into agents as a (workspace_id, id, name, labels)
      select ${workspaceId}, ${id}, ${name ?? null}, ${labelList}::text[]
      where ${allowed}
      on conflict (workspace_id, id) do update
      set name = ${name === undefined ? sql`a.name` : sql`excluded.name`},
        labels = ${labels === undefined ? sql`a.labels` : sql`excluded.labels`},
        updated_at = now()
      returning a.id, a.name, a.labels`,
    row: namedAgent,
  });
}
