import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { listByTime, type PageQuery } from "../../../db/keyset.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { notFound } from "../../../lib/errors.ts";
import { exportTemplate, type exportTemplateInput } from "../schema.ts";

export type ExportTemplate = z.output<typeof exportTemplate>;
const COLUMNS = sql.raw("e.id, e.name, e.description, e.request, e.created_at, e.created_by");
const isTemplate = (workspaceId: string, id: string) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

/** Newest first, ties by id. */
export function listExportTemplates(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`export_templates e`,
    columns: COLUMNS,
    row: exportTemplate,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
    timeOf: (template: ExportTemplate) => template.created_at,
  };
  return listByTime(ctx.db, list, query);
}

/** @throws AppError not_found, also for another workspace's template */
export async function getExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ExportTemplate> {
  const found = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from export_templates e
      where ${isTemplate(workspaceId, id)}`,
    row: exportTemplate,
  });
  if (!found) throw notFound("template");
  return found;
}

/**
 * Stores a template. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export function createExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  { name, description = null, request }: z.output<typeof exportTemplateInput>,
): Promise<ExportTemplate> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "export_templates",
    name: "export_templates",
    insert: (allowed) => sql`
      insert into export_templates as e
        (workspace_id, id, name, description, request, created_at, created_by)
      select
        ${workspaceId},
        ${id},
        ${name},
        ${description},
        ${JSON.stringify(request)}::jsonb,
        now(),
        ${author}
      where ${allowed}
      on conflict (workspace_id, id) do update
        set id = excluded.id
      returning ${COLUMNS}`,
    row: exportTemplate,
  });
}

/**
 * Deletes a template and its schedules.
 * @throws AppError not_found
 */
export async function deleteExportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  const deleteTemplate = sql`
    delete from export_templates e
    where ${isTemplate(workspaceId, id)}
    returning e.id`;
  const deleteSchedules = sql`
    delete from schedules e
    where ${inWorkspace(workspaceId, "e")}
      and e.kind = 'export'
      and e.target_id = ${id}`;
  const [deleted] = await ctx.db.transaction(
    [
      { sql: deleteTemplate, row: z.unknown() },
      { sql: deleteSchedules, row: z.unknown() },
    ],
    { isolation: "ReadCommitted" },
  );
  if (deleted?.length === 0) throw notFound("template");
}
