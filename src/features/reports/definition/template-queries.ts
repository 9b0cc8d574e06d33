import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { notFound } from "../../../lib/errors.ts";
import type { ReportTemplate, reportTemplateInput } from "./schema.ts";
import { sectionShape } from "./section-schema.ts";
import { SYSTEM_TEMPLATES } from "./system-templates.ts";

const COLUMNS = sql.raw("e.id, e.name, e.description, e.sections");
const templateRow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  sections: z.array(sectionShape),
});
const ownTemplate = (row: z.output<typeof templateRow>): ReportTemplate => ({
  ...row,
  system: false,
});
const isTemplate = (workspaceId: string, id: string) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

/** Lists the templates of every workspace, then the workspace's own, the newest first. */
export async function listReportTemplates(
  ctx: Context,
  workspaceId: string,
): Promise<ReportTemplate[]> {
  const rows = await ctx.db.all({
    sql: sql`
      select ${COLUMNS}
      from report_templates e
      where ${inWorkspace(workspaceId, "e")}
      order by e.created_at desc, e.id
      limit 1000`,
    row: templateRow,
  });
  return [...SYSTEM_TEMPLATES, ...rows.map(ownTemplate)];
}

/** @throws AppError not_found, also for another workspace's template */
export async function getReportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<ReportTemplate> {
  const system = SYSTEM_TEMPLATES.find((template) => template.id === id);
  if (system) return system;
  const found = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from report_templates e
      where ${isTemplate(workspaceId, id)}`,
    row: templateRow,
  });
  if (!found) throw notFound("template");
  return ownTemplate(found);
}

/**
 * Stores a template. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function createReportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  { name, description = "", sections }: z.output<typeof reportTemplateInput>,
): Promise<ReportTemplate> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  const created = await insertWithin(ctx.db, owner, {
    table: "report_templates",
    name: "report_templates",
    insert: (allowed) => sql`
      insert into report_templates as e
        (workspace_id, id, name, description, sections, created_at, created_by)
      select
        ${workspaceId},
        ${id},
        ${name},
        ${description},
        ${JSON.stringify(sections)}::jsonb,
        now(),
        ${author}
      where ${allowed}
      on conflict (workspace_id, id) do update
        set id = excluded.id
      returning ${COLUMNS}`,
    row: templateRow,
  });
  return ownTemplate(created);
}

/**
 * Deletes a template of the workspace. Reports that were defined with it keep their sections.
 * @throws AppError not_found, also for a template of every workspace
 */
export async function deleteReportTemplate(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<void> {
  const deleted = await ctx.db.maybe({
    sql: sql`
      delete from report_templates e
      where ${isTemplate(workspaceId, id)}
      returning e.id`,
    row: z.unknown(),
  });
  if (deleted === undefined) throw notFound("template");
}
