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

const REPORT = sql.raw(
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

/** As an answer shows it: without the secrets of its recipients. */
export function shownReport({
  definition: { from, to, timeframe, range, recipients, ...rest },
  ...report
}: StoredReport): Report {
  const at = (us: number | undefined) => (us === undefined ? null : formatInstant(us));
  return {
    ...report,
    ...rest,
    recipients: recipients.map(maskedRecipient),
    timeframe: timeframe ?? null,
    range: range ?? null,
    from: at(from),
    to: at(to),
  };
}

/** Newest first, ties by id. */
export async function listReports(ctx: Context, workspaceId: string, query: PageQuery) {
  const list = {
    from: sql`reports e`,
    columns: REPORT,
    row: reportRow,
    where: [inWorkspace(workspaceId, "e")],
    time: "created_at",
  };
  const { data, page } = await listByTime(
    ctx.db,
    { ...list, timeOf: (row) => row.created_at },
    query,
  );
  return { data: data.map(shownReport), page };
}

/** @throws AppError not_found, also for a report of another workspace */
export async function getReport(
  ctx: Context,
  workspaceId: string,
  id: string,
): Promise<StoredReport> {
  const found = await ctx.db.maybe({
    sql: sql`select ${REPORT} from reports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id}`,
    row: reportRow,
  });
  if (!found) throw notFound("report");
  return found;
}

interface Saved {
  name: string;
  description: string | null;
  definition: ReportDefinition;
}

/**
 * The same id again (a request that was repeated) gives what is stored.
 * @throws AppError unprocessable, `quota_exceeded`
 */
export async function createReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  author: string,
  { name, description, definition: of }: Saved,
): Promise<StoredReport> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId, id };
  return insertWithin(ctx.db, owner, {
    table: "reports",
    name: "reports",
    insert: (allowed) => sql`insert into reports as e
        (workspace_id, id, name, description, definition, created_at, updated_at, created_by)
      select ${workspaceId}, ${id}, ${name}, ${description}, ${JSON.stringify(of)}::jsonb, now(), now(),
        ${author} where ${allowed}
      on conflict (workspace_id, id) do update set id = excluded.id returning ${REPORT}`,
    row: reportRow,
  });
}

/** @throws AppError not_found */
export async function replaceReport(
  ctx: Context,
  workspaceId: string,
  id: string,
  { name, description, definition: of }: Saved,
): Promise<StoredReport> {
  const found = await ctx.db.maybe({
    sql: sql`update reports e set name = ${name}, description = ${description}, definition = ${JSON.stringify(of)}::jsonb, updated_at = now()
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning ${REPORT}`,
    row: reportRow,
  });
  if (!found) throw notFound("report");
  return found;
}

/** Its runs stay, until their files expire; its schedules go. @throws AppError not_found */
export async function deleteReport(ctx: Context, workspaceId: string, id: string): Promise<void> {
  const [rows] = await ctx.db.transaction(
    [
      {
        sql: sql`delete from reports e where ${inWorkspace(workspaceId, "e")} and e.id = ${id} returning e.id`,
        row: z.unknown(),
      },
      {
        sql: sql`delete from schedules e where ${inWorkspace(workspaceId, "e")} and e.kind = 'report' and e.target_id = ${id}`,
        row: z.unknown(),
      },
    ],
    { isolation: "ReadCommitted" },
  );
  if (rows?.length === 0) throw notFound("report");
}
