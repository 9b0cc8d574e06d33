import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../context.ts";
import { instantSql } from "../../db/instants.ts";
import { inOrder, listByTime, type PageQuery } from "../../db/keyset.ts";
import { inWorkspace } from "../../db/scope.ts";
import type { EpochUs } from "../../lib/time.ts";

const entryRow = z.object({
  id: z.string(),
  kind: z.enum(["execution", "event"]),
  at: z.string(),
  agent_id: z.string().nullable(),
  status: z.string().nullable(),
  event_type: z.string().nullable(),
  event_name: z.string().nullable(),
  session_id: z.string().nullable(),
});

/** What a user did, newest first: executions and events together. */
export function userTimeline(
  ctx: Context,
  workspaceId: string,
  userId: string,
  query: PageQuery & { from?: EpochUs | undefined; to?: EpochUs | undefined },
) {
  inOrder(query);
  const bounds = (column: string) => {
    const at = sql`x.${sql.identifier(column)}`;
    const from = query.from === undefined ? sql`` : sql` and ${at} >= ${instantSql(query.from)}`;
    const to = query.to === undefined ? sql`` : sql` and ${at} < ${instantSql(query.to)}`;
    return sql`${inWorkspace(workspaceId, "x")} and x.user_id = ${userId}${from}${to}`;
  };
  const from = sql`(
    select 'execution:' || x.id as id, 'execution' as kind, x.started_at as at, x.agent_id, x.status, null::text as event_type, null::text as event_name, null::text as session_id
      from executions x where ${bounds("started_at")}
    union all
    select 'event:' || x.id, 'event', x.occurred_at, null, null, x.event_type, x.event_name, x.session_id from events x where ${bounds("occurred_at")}
  ) e`;
  return listByTime(
    ctx.db,
    {
      from,
      columns: sql`e.*`,
      row: entryRow,
      where: [sql`true`],
      time: "at",
      timeOf: (row) => row.at,
    },
    query,
  );
}
