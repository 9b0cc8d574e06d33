import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { documentText } from "../analytics/catalog/dimensions.ts";
import type { Db } from "../db/client.ts";
import { instantSql } from "../db/instants.ts";
import { inOrder, listByTime, type PageQuery } from "../db/keyset.ts";
import { inWorkspace } from "../db/scope.ts";
import { notFound } from "../lib/errors.ts";
import type { EpochUs } from "../lib/time.ts";
import { type EXECUTION_STATUSES, type Execution, executionShape } from "./execution.ts";

export interface ExecutionList extends PageQuery {
  agent_id?: string | undefined;
  user_id?: string | undefined;
  status?: (typeof EXECUTION_STATUSES)[number] | undefined;
  model?: string | undefined;
  environment?: string | undefined;
  from?: EpochUs | undefined;
  to?: EpochUs | undefined;
  min_duration_ms?: number | undefined;
  max_duration_ms?: number | undefined;
  min_credits?: string | undefined;
  max_credits?: string | undefined;
  /** By the way to a value: its text. */
  metadata: [keys: string[], value: string][];
}

const row = executionShape
  .omit({ error: true })
  .extend({ error_type: z.string().nullable(), error_message: z.string().nullable() });
const COLUMNS = sql.raw(
  Object.keys(row.shape)
    .map((name) => `e.${name}`)
    .join(", "),
);

function shape({ error_type, error_message, ...rest }: z.output<typeof row>): Execution {
  return {
    ...rest,
    error: error_type === null ? null : { type: error_type, message: error_message },
  };
}

function conditions(workspaceId: string, query: ExecutionList): SQL[] {
  const list: SQL[] = [inWorkspace(workspaceId, "e")];
  const add = <T>(value: T | undefined, condition: (value: T) => SQL) => {
    if (value !== undefined) list.push(condition(value));
  };
  add(query.agent_id, (value) => sql`e.agent_id = ${value}`);
  add(query.user_id, (value) => sql`e.user_id = ${value}`);
  add(query.status, (value) => sql`e.status = ${value}`);
  add(query.model, (value) => sql`e.model = ${value}`);
  add(query.environment, (value) => sql`e.environment = ${value}`);
  add(query.from, (value) => sql`e.started_at >= ${instantSql(value)}`);
  add(query.to, (value) => sql`e.started_at < ${instantSql(value)}`);
  add(query.min_duration_ms, (value) => sql`e.duration_ms >= ${value}`);
  add(query.max_duration_ms, (value) => sql`e.duration_ms <= ${value}`);
  add(query.min_credits, (value) => sql`e.credits >= ${value}::numeric`);
  add(query.max_credits, (value) => sql`e.credits <= ${value}::numeric`);
  for (const [keys, value] of query.metadata)
    list.push(sql`${documentText(sql`e.metadata`, keys)} = ${value}`);
  return list;
}

/** Newest first, ties by id. */
export async function listExecutions(db: Db, workspaceId: string, query: ExecutionList) {
  inOrder(query);
  const list = {
    from: sql`executions e`,
    columns: COLUMNS,
    row,
    where: conditions(workspaceId, query),
    time: "started_at",
  };
  const { data, page } = await listByTime(
    db,
    { ...list, timeOf: (each) => each.started_at },
    query,
  );
  return { data: data.map(shape), page };
}

const internals = row.extend({ duration_given_ms: z.number().nullable(), heard_at: z.string() });
export interface StoredExecution {
  execution: Execution;
  /** The duration as a caller gave it; null when it follows from the times. */
  durationGivenMs: number | null;
  /** Moves on with every change of the row. */
  heardAt: string;
}

/** @throws AppError not_found, also for an execution of another workspace */
export async function getStoredExecution(
  db: Db,
  workspaceId: string,
  id: string,
): Promise<StoredExecution> {
  const found = await db.maybe({
    sql: sql`
      select ${COLUMNS}, e.duration_given_ms, e.heard_at
      from execution_keys k
      cross join lateral execution_at(${workspaceId}, k.started_at, k.id) e
      where ${inWorkspace(workspaceId, "k")} and k.id = ${id}`,
    row: internals,
  });
  if (!found) throw notFound("execution");
  const { duration_given_ms, heard_at, ...rest } = found;
  return { execution: shape(rest), durationGivenMs: duration_given_ms, heardAt: heard_at };
}

/** @throws AppError not_found, also for an execution of another workspace */
export async function getExecution(db: Db, workspaceId: string, id: string): Promise<Execution> {
  return (await getStoredExecution(db, workspaceId, id)).execution;
}

/** Whether an agent has run in the workspace, or was named there. */
export async function isKnownAgent(db: Db, workspaceId: string, id: string): Promise<boolean> {
  const row = await db.maybe({
    sql: sql`
      select exists (
          select from executions e
          where ${inWorkspace(workspaceId, "e")} and e.agent_id = ${id}
        )
        or exists (
          select from agents a
          where ${inWorkspace(workspaceId, "a")} and a.id = ${id}
        ) as known`,
    row: z.object({ known: z.boolean() }),
  });
  return row?.known ?? false;
}
