import { type SQL, sql } from "drizzle-orm";
import type { Db } from "../../db/client.ts";
import { instantSql } from "../../db/instants.ts";
import { inOrder, listByTime, type PageQuery } from "../../db/keyset.ts";
import { inWorkspace } from "../../db/scope.ts";
import type { EpochUs } from "../../lib/time.ts";
import { event } from "./schema.ts";

export interface ListQuery extends PageQuery {
  event_type?: string | undefined;
  event_name?: string | undefined;
  user_id?: string | undefined;
  session_id?: string | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
}

/** Newest first, ties by id. */
export async function listEvents(db: Db, workspaceId: string, query: ListQuery) {
  inOrder(query);
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  for (const name of ["event_type", "event_name", "user_id", "session_id"] as const) {
    if (query[name] !== undefined) where.push(sql`e.${sql.identifier(name)} = ${query[name]}`);
  }
  if (query.from !== undefined) where.push(sql`e.occurred_at >= ${instantSql(query.from)}`);
  if (query.to !== undefined) where.push(sql`e.occurred_at < ${instantSql(query.to)}`);
  const columns = sql.raw(
    Object.keys(event.shape)
      .map((name) => `e.${name}`)
      .join(", "),
  );
  return listByTime(
    db,
    {
      from: sql`events e`,
      columns,
      row: event,
      where,
      time: "occurred_at",
      timeOf: (each) => each.occurred_at,
    },
    query,
  );
}
