import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../../db/client.ts";
import { inWorkspace } from "../../db/scope.ts";
import { cursorInstant, decodeCursor, encodeCursor } from "../../http/params.ts";
import { impossible } from "../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
import { event } from "./schema.ts";

export interface ListQuery {
  event_type?: string | undefined;
  event_name?: string | undefined;
  user_id?: string | undefined;
  session_id?: string | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
  limit: number;
  cursor?: string | undefined;
  skip?: number | undefined;
  include_total?: boolean | undefined;
}

type Event = z.output<typeof event>;

/** Newest first, ties by id. */
export async function listEvents(db: Db, workspaceId: string, query: ListQuery) {
  const where: SQL[] = [inWorkspace(workspaceId, "e")];
  for (const name of ["event_type", "event_name", "user_id", "session_id"] as const) {
    if (query[name] !== undefined) where.push(sql`e.${sql.identifier(name)} = ${query[name]}`);
  }
  if (query.from !== undefined) where.push(sql`e.occurred_at >= ${formatInstant(query.from)}::timestamptz`);
  if (query.to !== undefined) where.push(sql`e.occurred_at < ${formatInstant(query.to)}::timestamptz`);
  const all = [...where];
  if (query.cursor !== undefined) {
    if (query.skip !== undefined) throw impossible("query.skip", "cursor_and_skip", "Page by cursor or by skip, not both.");
    const [position = "", id = ""] = decodeCursor(query.cursor, 2);
    const occurredAt = cursorInstant(position);
    where.push(sql`(e.occurred_at, e.id) < (${occurredAt}::timestamptz, ${id})`);
  }
  const rows: Event[] = await db.query({
    sql: sql`select e.id, e.event_type, e.event_name, e.user_id, e.session_id, e.occurred_at, e.properties from events e
      where ${sql.join(where, sql` and `)} order by e.occurred_at desc, e.id desc limit ${query.limit + 1} offset ${query.skip ?? 0}`,
    row: event,
  });
  const data = rows.slice(0, query.limit);
  const last = data.at(-1);
  const hasMore = rows.length > query.limit;
  return {
    data,
    page: {
      limit: query.limit,
      next_cursor: hasMore && last ? encodeCursor([last.occurred_at, last.id]) : null,
      has_more: hasMore,
      ...(query.include_total ? { total: await countEvents(db, all) } : {}),
    },
  };
}

async function countEvents(db: Db, where: SQL[]): Promise<number> {
  const [found] = await db.query({
    sql: sql`select count(*) as total from events e where ${sql.join(where, sql` and `)}`,
    row: z.object({ total: z.number() }),
  });
  return found?.total ?? 0;
}
