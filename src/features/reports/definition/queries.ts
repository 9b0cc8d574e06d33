import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { listByTime, type PageQuery } from "../../../db/keyset.ts";
import { insertWithin } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import { notFound } from "../../../lib/errors.ts";
import { formatInstant } from "../../../lib/time.ts";
import { maskedRecipient } from "./recipients.ts";
import { type Report, type ReportDefinition, storedDefinition } from "./schema.ts";

const COLUMNS = sql.raw(
  "e.id, e.name, e.description, e.definition, e.created_at, e.updated_at, e.created_by",
);
const reportRow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  definition: storedDefinition,
  created_at: z.string(),
  updated_at: z.string(),
  created_by: z.string(),
});
export type StoredReport = z.output<typeof reportRow>;

const isReport = (workspaceId: string, id: string) =>
  sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

/** A report as answers show it: without the secrets of its recipients. */
export function shownReport({ definition, ...report }: StoredReport): Report {
  const { from, to, timeframe, range, recipients, ...rest } = definition;
  const instantOf = (us: number | undefined) => (us === undefined ? null : formatInstant(us));
  return {
    ...report,
    ...rest,
    recipients: recipients.map(maskedRecipient),
    timeframe: timeframe ?? null,
    range: range ?? null,
    from: instantOf(from),
    to: instantOf(to),
  };
}

/** Newest first, ties by id. */
export async function listReports(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`reports e`,
    columns: COLUMNS,
    row: reportRow,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
    timeOf: (report: StoredReport) => report.created_at,
  };
  const { data, page } = await listByTime(ctx.db, list, query);
  return { data: data.map(shownReport), page };
}

/** @throws AppError not_found, also for another workspace's report */
export async function getReport(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<StoredReport> {
  const found = await ctx.db.maybe({
    sql: sql`
      select ${COLUMNS}
      from reports e
      where ${isReport(workspaceId, id)}`,
    row: reportRow,
  });
  if (!found) throw notFound("report");
  return found;
}

interface ReportValues {
  name: string;
  description: string | null;
  definition: ReportDefinition;
}

/**
 * Stores a report. An existing id returns what is stored, so that a request may be repeated.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export function createReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  { name, description, definition }: ReportValues,
): Promise<StoredReport> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "reports",
    name: "reports",
    insert: (allowed) => sql`
      insert into reports as e
        (workspace_id, id, name, description, definition, created_at, updated_at, created_by)
      select
        ${workspaceId},
        ${id},
        ${name},
        ${description},
        ${JSON.stringify(definition)}::jsonb,
        now(),
        now(),
        ${author}
      where ${allowed}
      on conflict (workspace_id, id) do update
        set id = excluded.id
      returning ${COLUMNS}`,
    row: reportRow,
  });
}

/** @throws AppError not_found */
export async function replaceReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  { name, description, definition }: ReportValues,
): Promise<StoredReport> {
  const replaced = await ctx.db.maybe({
    sql: sql`
      update reports e
      set name = ${name},
        description = ${description},
        definition = ${JSON.stringify(definition)}::jsonb,
        updated_at = now()
      where ${isReport(workspaceId, id)}
      returning ${COLUMNS}`,
    row: reportRow,
  });
  if (!replaced) throw notFound("report");
  return replaced;
}

/**
 * Deletes a report and its schedules. Its runs stay until their files expire.
 * @throws AppError not_found
 */
export async function deleteReport(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const deleteDefinition = sql`
    delete from reports e
    where ${isReport(workspaceId, id)}
    returning e.id`;
  const deleteSchedules = sql`
    delete from schedules e
    where ${inWorkspace(workspaceId, "e")}
      and e.kind = 'report'
      and e.target_id = ${id}`;
  const [deleted] = await ctx.db.transaction(
    [
      { sql: deleteDefinition, row: z.unknown() },
      { sql: deleteSchedules, row: z.unknown() },
    ],
    { isolation: "ReadCommitted" },
  );
  if (deleted?.length === 0) throw notFound("report");
}
