import { sql } from "drizzle-orm";
import { z } from "zod";
import type { FunnelSpec } from "../analytics/funnels/run-funnel.ts";
import type { Context } from "../context.ts";
import type { Db } from "../db/client.ts";
import { listByTime, type PageQuery } from "../db/keyset.ts";
import { insertWithin } from "../db/quotas.ts";
import { inWorkspace } from "../db/scope.ts";
import { notFound } from "../lib/errors.ts";

/** The definition is not parsed again: it was checked when it was saved. */
const funnel = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  definition: z.custom<FunnelSpec>(),
  created_at: z.string(),
  updated_at: z.string(),
  created_by: z.string(),
});
export type Funnel = z.output<typeof funnel>;
export interface FunnelInput {
  name: string;
  description?: string | null | undefined;
  definition: FunnelSpec;
}

const COLUMNS = sql.raw(
  "e.id, e.name, e.description, e.definition, e.created_at, e.updated_at, e.created_by",
);

/** Newest first, ties by id. */
export function listFunnels(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`funnels e`,
    columns: COLUMNS,
    row: funnel,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  return listByTime(ctx.db, { ...list, timeOf: (row) => row.created_at }, query);
}

/** The funnel, or undefined when the workspace has none of this id. */
export async function findFunnel(
  db: Db,
  workspaceId: string,
  id: string,
): Promise<Funnel | undefined> {
  const found = await db.maybe({
    sql: sql`select ${COLUMNS} from funnels e
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: funnel,
  });
  return found;
}

/** @throws AppError not_found, also for a funnel of another workspace */
export async function getFunnel(ctx: Context, workspaceId: string, id: string): Promise<Funnel> {
  const found = await findFunnel(ctx.db, workspaceId, id);
  if (!found) throw notFound("funnel");
  return found;
}

/**
 * Saves a funnel under an id. A repeated request with the same id returns the stored funnel.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function createFunnel(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  input: FunnelInput,
): Promise<Funnel> {
  const { name, description = null, definition } = input;
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "funnels",
    name: "funnels",
    insert: (allowed) => sql`
      insert into funnels as e (workspace_id, id, name, description, definition, created_by)
      select ${workspaceId}, ${id}, ${name}, ${description}, ${JSON.stringify(definition)}::jsonb,
        ${author}
      where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id
      returning ${COLUMNS}`,
    row: funnel,
  });
}

/**
 * Replaces a saved funnel.
 * @throws AppError not_found
 */
export async function replaceFunnel(
  ctx: Context,
  workspaceId: string,
  id: string,
  { name, description = null, definition }: FunnelInput,
): Promise<Funnel> {
  const replaced = await ctx.db.maybe({
    sql: sql`
      update funnels e
      set name = ${name},
        description = ${description},
        definition = ${JSON.stringify(definition)}::jsonb,
        updated_at = now()
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}
      returning ${COLUMNS}`,
    row: funnel,
  });
  if (!replaced) throw notFound("funnel");
  ctx.cache.invalidate(workspaceId);
  return replaced;
}

/** @throws AppError not_found */
export async function deleteFunnel(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const rows = await ctx.db.all({
    sql: sql`
      delete from funnels e
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id}
      returning e.id`,
    row: z.object({ id: z.string() }),
  });
  if (rows.length === 0) throw notFound("funnel");
  ctx.cache.invalidate(workspaceId);
}
