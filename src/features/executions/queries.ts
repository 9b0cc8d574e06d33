import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../../db/client.ts";
import { inWorkspace } from "../../db/scope.ts";
import { cursorInstant, decodeCursor, encodeCursor } from "../../http/params.ts";
import { impossible, notFound } from "../../lib/errors.ts";
import { type EpochUs, formatInstant } from "../../lib/time.ts";
import { type Execution, STATUSES } from "./schema.ts";

export interface ListQuery {
  agent_id?: string | undefined;
  user_id?: string | undefined;
  status?: (typeof STATUSES)[number] | undefined;
  model?: string | undefined;
  environment?: string | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
  min_duration_ms?: number | undefined;
  max_duration_ms?: number | undefined;
  min_credits?: string | undefined;
  max_credits?: string | undefined;
  metadata: [key: string, value: string][];
  limit: number;
  cursor?: string | undefined;
  skip?: number | undefined;
  include_total?: boolean | undefined;
}

const row = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string(),
  status: z.enum(STATUSES),
  started_at: z.string(),
  ended_at: z.string().nullable(),
  duration_ms: z.number().nullable(),
  credits: z.string().nullable(),
  tokens_in: z.number().nullable(),
  tokens_out: z.number().nullable(),
  model: z.string().nullable(),
  parent_execution_id: z.string().nullable(),
  environment: z.string().nullable(),
  version: z.string().nullable(),
  error_type: z.string().nullable(),
  error_message: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()).nullable(),
  revision: z.number(),
  stale: z.boolean(),
});
const COLUMNS = sql.raw(
  Object.keys(row.shape)
    .map((name) => `e.${name}`)
    .join(", "),
);

function shape({ error_type, error_message, ...rest }: z.output<typeof row>): Execution {
  return { ...rest, error: error_type === null ? null : { type: error_type, message: error_message } };
}

function conditions(workspaceId: string, query: ListQuery): SQL[] {
  const list: SQL[] = [inWorkspace(workspaceId, "e")];
  const add = <T>(value: T | undefined, condition: (value: T) => SQL) => {
    if (value !== undefined) list.push(condition(value));
  };
  add(query.agent_id, (value) => sql`e.agent_id = ${value}`);
  add(query.user_id, (value) => sql`e.user_id = ${value}`);
  add(query.status, (value) => sql`e.status = ${value}`);
  add(query.model, (value) => sql`e.model = ${value}`);
  add(query.environment, (value) => sql`e.environment = ${value}`);
  add(query.from, (value) => sql`e.started_at >= ${formatInstant(value)}::timestamptz`);
  add(query.to, (value) => sql`e.started_at < ${formatInstant(value)}::timestamptz`);
  add(query.min_duration_ms, (value) => sql`e.duration_ms >= ${value}`);
  add(query.max_duration_ms, (value) => sql`e.duration_ms <= ${value}`);
  add(query.min_credits, (value) => sql`e.credits >= ${value}::numeric`);
  add(query.max_credits, (value) => sql`e.credits <= ${value}::numeric`);
  for (const [key, value] of query.metadata) list.push(sql`e.metadata ->> ${key} = ${value}`);
  return list;
}

/** Newest first, ties by id; a page by keyset, or by offset when `skip` is given. */
export async function listExecutions(db: Db, workspaceId: string, query: ListQuery) {
  const all = conditions(workspaceId, query);
  const where = [...all];
  if (query.cursor !== undefined) {
    if (query.skip !== undefined) throw impossible("query.skip", "cursor_and_skip", "Page by cursor or by skip, not both.");
    const [position = "", id = ""] = decodeCursor(query.cursor, 2);
    const startedAt = cursorInstant(position);
    // The first comparison alone lets the planner leave out newer partitions.
    where.push(sql`e.started_at <= ${startedAt}::timestamptz and (e.started_at, e.id) < (${startedAt}::timestamptz, ${id})`);
  }
  const rows = await db.query({
    sql: sql`select ${COLUMNS} from executions e where ${sql.join(where, sql` and `)}
      order by e.started_at desc, e.id desc limit ${query.limit + 1} offset ${query.skip ?? 0}`,
    row,
  });
  const data = rows.slice(0, query.limit).map(shape);
  const last = data.at(-1);
  const hasMore = rows.length > query.limit;
  return {
    data,
    page: {
      limit: query.limit,
      next_cursor: hasMore && last ? encodeCursor([last.started_at, last.id]) : null,
      has_more: hasMore,
      ...(query.include_total ? { total: await countExecutions(db, all) } : {}),
    },
  };
}

async function countExecutions(db: Db, where: SQL[]): Promise<number> {
  const [found] = await db.query({
    sql: sql`select count(*) as total from executions e where ${sql.join(where, sql` and `)}`,
    row: z.object({ total: z.number() }),
  });
  return found?.total ?? 0;
}

const internals = row.extend({ duration_given_ms: z.number().nullable(), heard_at: z.string() });
export interface Stored {
  execution: Execution;
  /** The duration as a caller gave it; null when it follows from the times. */
  durationGivenMs: number | null;
  /** Moves on with every change of the row. */
  heardAt: string;
}

/** @throws AppError not_found, also for an execution of another workspace */
export async function getStored(db: Db, workspaceId: string, id: string): Promise<Stored> {
  const [found] = await db.query({
    sql: sql`select ${COLUMNS}, e.duration_given_ms, e.heard_at from execution_keys k join executions e on ${inWorkspace(workspaceId, "e")} and e.started_at = k.started_at and e.id = k.id
      where ${inWorkspace(workspaceId, "k")} and k.id = ${id}`,
    row: internals,
  });
  if (!found) throw notFound("execution");
  const { duration_given_ms, heard_at, ...rest } = found;
  return { execution: shape(rest), durationGivenMs: duration_given_ms, heardAt: heard_at };
}

/** @throws AppError not_found, also for an execution of another workspace */
export async function getExecution(db: Db, workspaceId: string, id: string): Promise<Execution> {
  return (await getStored(db, workspaceId, id)).execution;
}
