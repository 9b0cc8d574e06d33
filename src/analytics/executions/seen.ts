import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";

const seenRow = z.object({
  id: z.string(),
  first: z.string().nullable(),
  last: z.string().nullable(),
});
export type SeenRange = z.output<typeof seenRow>;

type Owner = "agent" | "user";
type Edge = "first" | "last";

const DIRECTIONS = { first: sql.raw("asc"), last: sql.raw("desc") } as const;

/** First or last start of an execution of the owner `u`: a probe of an index. */
function executionAt(workspaceId: string, owner: Owner, edge: Edge): SQL {
  const column = sql.raw(owner === "agent" ? "agent_id" : "user_id");
  return sql`(
      select e.started_at from executions e
      where ${inWorkspace(workspaceId, "e")} and e.${column} = u.id
      order by e.started_at ${DIRECTIONS[edge]}
      limit 1
    )`;
}

/** First or last event of the user `u`: a probe of an index. */
function eventAt(workspaceId: string, edge: Edge): SQL {
  return sql`(
      select v.occurred_at from events v
      where ${inWorkspace(workspaceId, "v")} and v.user_id = u.id
      order by v.occurred_at ${DIRECTIONS[edge]}
      limit 1
    )`;
}

function seenAt(workspaceId: string, owner: Owner, edge: Edge): SQL {
  const execution = executionAt(workspaceId, owner, edge);
  if (owner === "agent") return execution;
  const pick = sql.raw(edge === "first" ? "least" : "greatest");
  return sql`${pick}(${execution}, ${eventAt(workspaceId, edge)})`;
}

/**
 * First and last start of an execution of each agent or user, ever; of users also their first and
 * last event.
 */
export async function firstAndLastSeen(
  ctx: Context,
  workspaceId: string,
  owner: Owner,
  ids: readonly string[],
): Promise<Map<string, SeenRange>> {
  const rows = await ctx.db.all({
    sql: sql`
    select u.id,
      ${seenAt(workspaceId, owner, "first")} as first,
      ${seenAt(workspaceId, owner, "last")} as last
    from unnest(${sql.param([...ids])}::text[]) as u(id)`,
    row: seenRow,
  });
  return new Map(rows.map((found) => [found.id, found]));
}
