import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";

/** The starts of the first and the last execution ever; null without any. */
export async function executionEdges(ctx: Context, workspaceId: string) {
  const edge = (direction: string) => sql`(
    select e.started_at
    from executions e
    where ${inWorkspace(workspaceId, "e")}
    order by e.started_at ${sql.raw(direction)}
    limit 1
  )`;
  const { first, last } = await ctx.db.one({
    sql: sql`select ${edge("asc")} as first, ${edge("desc")} as last`,
    row: z.object({ first: z.string().nullable(), last: z.string().nullable() }),
  });
  return { first_execution_at: first, last_execution_at: last };
}
