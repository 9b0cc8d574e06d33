import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";

const row = z.object({ id: z.string(), first: z.string().nullable(), last: z.string().nullable() });
export type SeenRange = z.output<typeof row>;

/** First and last start of an execution, ever, of each of these agents or users (of users: or an event); probes of an index each. */
export async function firstAndLastSeen(
  ctx: Context,
  workspaceId: string,
  who: "agent" | "user",
  ids: readonly string[],
): Promise<Map<string, SeenRange>> {
  const column = sql.raw(who === "agent" ? "agent_id" : "user_id");
  const edge = (direction: "asc" | "desc") => {
    const order = sql.raw(direction);
    const execution = sql`(select e.started_at from executions e where ${inWorkspace(workspaceId, "e")} and e.${column} = u.id order by e.started_at ${order} limit 1)`;
    if (who === "agent") return execution;
    const event = sql`(select v.occurred_at from events v where ${inWorkspace(workspaceId, "v")} and v.user_id = u.id order by v.occurred_at ${order} limit 1)`;
    return sql`${sql.raw(direction === "asc" ? "least" : "greatest")}(${execution}, ${event})`;
  };
  const rows = await ctx.db.all({
    sql: sql`select u.id, ${edge("asc")} as first, ${edge("desc")} as last from unnest(${sql.param([...ids])}::text[]) as u(id)`,
    row,
  });
  return new Map(rows.map((found) => [found.id, found]));
}
