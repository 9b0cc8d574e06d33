import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { listByTime, type PageQuery } from "../../../db/keyset.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { notFound } from "../../../lib/errors.ts";
import { exportTemplate, type exportTemplateInput } from "../schema.ts";

export type ExportTemplate = z.output<typeof exportTemplate>;
type Input = z.output<typeof exportTemplateInput>;
const COLUMNS = sql.raw("e.id, e.name, e.description, e.request, e.created_at, e.created_by");

/** Newest first, ties by id. */
export function listExportTemplates(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`export_templates e`,
    columns: COLUMNS,
    row: exportTemplate,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  return listByTime(ctx.db, { ...list, timeOf: (row) => row.created_at }, query);
}

/** @throws AppError not_found, also for a template of another workspace */
export async function getExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportTemplate> {
  const found = await ctx.db.maybe({
    sql: sql`select ${COLUMNS} from export_templates e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: exportTemplate,
  });
  if (!found) throw notFound("template");
  return found;
}

/** The same id again (a request that was repeated) gives what is stored. @throws AppError unprocessable, `quota_exceeded` */
export async function createExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  input: Input,
): Promise<ExportTemplate> {
  const { name, description = null, request } = input;
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "export_templates",
    name: "export_templates",
    insert: (allowed) => sql`insert into export_templates as e
        (workspace_id, id, name, description, request, created_at, created_by)
      select ${workspaceId}, ${id}, ${name}, ${description}, ${JSON.stringify(request)}::jsonb, now(),
        ${author} where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id returning ${COLUMNS}`,
    row: exportTemplate,
  });
}

/** Also takes away its schedules. @throws AppError not_found */
export async function deleteExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  const [rows] = await ctx.db.transaction(
    [
      {
        sql: sql`delete from export_templates e where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning e.id`,
        row: z.unknown(),
      },
      {
        sql: sql`delete from schedules e where ${inWorkspace(workspaceId, "e")} and e.kind = 'export' and e.target_id = ${id}`,
        row: z.unknown(),
      },
    ],
    { isolation: "ReadCommitted" },
  );
  if (rows?.length === 0) throw notFound("template");
}
