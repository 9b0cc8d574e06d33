import { type SQL, sql } from "drizzle-orm";
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

const EXECUTION_ENTRIES = sql`
  select 'execution:' || x.id as id, 'execution' as kind, x.started_at as at, x.agent_id, x.status,
    null::text as event_type, null::text as event_name, null::text as session_id
  from executions x`;

const EVENT_ENTRIES = sql`
  select 'event:' || x.id, 'event', x.occurred_at, null, null,
    x.event_type, x.event_name, x.session_id
  from events x`;

interface TimeBounds {
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
}

function inBounds(column: string, { from, to }: TimeBounds): SQL[] {
  const at = sql`x.${sql.identifier(column)}`;
  const bounds: SQL[] = [];
  if (from !== undefined) bounds.push(sql`${at} >= ${instantSql(from)}`);
  if (to !== undefined) bounds.push(sql`${at} < ${instantSql(to)}`);
  return bounds;
}

/** A page of a user's executions and events together, newest first. */
export function userTimeline(
  ctx: Context,
  workspaceId: string,
  userId: string,
  query: PageQuery & TimeBounds,
) {
  inOrder(query);
  const ofUser = (time: string) =>
    sql.join(
      [inWorkspace(workspaceId, "x"), sql`x.user_id = ${userId}`, ...inBounds(time, query)],
      sql` and `,
    );
  const from = sql`(
    ${EXECUTION_ENTRIES}
      where ${ofUser("started_at")}
    union all
    ${EVENT_ENTRIES}
      where ${ofUser("occurred_at")}
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
