import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { AppError } from "../lib/errors.ts";
import type { Db } from "./client.ts";
import { inWorkspace } from "./scope.ts";

/** Limits of a workspace (docs/limits.md); the variable `QUOTAS` changes them. */
export const QUOTAS = {
  /** Agents with a name or labels. */
  named_agents: 10_000,
  funnels: 200,
  api_keys: 100,
  revocations: 10_000,
  reports: 200,
  report_templates: 100,
  export_templates: 200,
  report_schedules: 100,
  export_schedules: 100,
  /** Links of one run that are neither revoked nor expired. */
  shares_per_run: 100,
  /** Queued or at work. */
  exports_under_way: 50,
  report_runs_under_way: 50,
  exports_per_day: 500,
  report_runs_per_day: 500,
  deliveries_per_day: 2_000,
  /** Running at once, exports and reports together; the others wait. */
  jobs_at_work: 2,
  deliveries_at_work: 4,
};
export type QuotaName = keyof typeof QUOTAS;
export type Quotas = Record<QuotaName, number>;

export const isQuota = (name: string): name is QuotaName => Object.hasOwn(QUOTAS, name);

/** 422: a row must be deleted first. */
const tooMany = (name: QuotaName, limit: number) =>
  new AppError(
    "unprocessable",
    "quota_exceeded",
    `A workspace has at most ${limit} ${name.replaceAll("_", " ")}; delete one first.`,
  );

/** 429: the rows end by themselves. */
const tooManyNow = (name: QuotaName, limit: number) =>
  new AppError(
    "rate_limited",
    "quota_exceeded",
    `At most ${limit} ${name.replaceAll("_", " ")} are allowed; try again when some have ended.`,
    { retryAfterSeconds: 60 },
  );

const DAY_SECONDS = 86_400;
const tooManyToday = (name: QuotaName, limit: number) =>
  new AppError(
    "rate_limited",
    "quota_exceeded",
    `At most ${limit} ${name.replaceAll("_", " ")} are allowed; the day is that of UTC.`,
    { retryAfterSeconds: DAY_SECONDS - (Math.floor(Date.now() / 1000) % DAY_SECONDS) },
  );

interface Owner {
  quotas: Quotas;
  workspaceId: string;
  /** Of the row: an existing one is returned whatever the limit. */
  id: string;
}

interface Kept<T> {
  /** Table of the rows, as `e`. */
  table: string;
  /** The rows of the workspace that count; all by default. */
  which?: SQL;
  name: QuotaName;
  /** A quota of uses a day that applies too. */
  perDay?: QuotaName;
  /** Ends by itself: 429 and not 422. */
  passes?: boolean;
  /** `insert … select … where <allowed> on conflict … do update … returning …` */
  insert(allowed: SQL): SQL;
  row: z.ZodType<T>;
}

/** CTE: `used` has a row if the limit allows one more use today, which it counts. */
const usedToday = (name: QuotaName, limit: number, workspaceId: string, where: SQL) =>
  sql`used as (
    insert into daily_uses as u (workspace_id, name, day, uses)
    select ${workspaceId}, ${name}, (now() at time zone 'UTC')::date, 1
    where ${where} and ${limit}::int > 0
    on conflict (workspace_id, name) do update
    set day = excluded.day,
      uses = case when u.day = excluded.day then u.uses + 1 else 1 end
    where u.day <> excluded.day or u.uses < ${limit}::int
    returning 1
  )`;

/**
 * Inserts a row if the workspace has room for it. Exact under concurrency: inserts of one workspace
 * and quota take turns. An id that exists already gives the stored row.
 * @throws AppError unprocessable or rate_limited, `quota_exceeded`
 */
export async function insertWithin<T>(
  db: Db,
  { quotas, workspaceId, id }: Owner,
  { table, which = sql`true`, name, perDay, passes = false, insert, row }: Kept<T>,
): Promise<T> {
  const limit = quotas[name];
  const mine = sql`from ${sql.identifier(table)} e where ${inWorkspace(workspaceId, "e")}`;
  const isThere = sql`exists (select 1 ${mine} and e.id = ${id})`;
  const hasRoom = sql`(select count(*) ${mine} and ${which}) < ${limit}::int`;
  const used = (of: QuotaName) =>
    usedToday(of, quotas[of], workspaceId, sql`not ${isThere} and ${hasRoom}`);
  const statement = perDay
    ? sql`with ${used(perDay)}
  ${insert(sql`(${isThere} or exists (select 1 from used))`)}`
    : insert(sql`(${isThere} or ${hasRoom})`);
  const [, rows, room] = await db.transaction(
    [
      {
        sql: sql`select pg_advisory_xact_lock(hashtext(${`quota:${name}:${workspaceId}`}))::text`,
        row: z.unknown(),
      },
      { sql: statement, row },
      { sql: sql`select ${hasRoom} as has_room`, row: z.object({ has_room: z.boolean() }) },
    ],
    { isolation: "ReadCommitted" },
  );
  const found = rows?.[0] as T | undefined;
  if (found !== undefined) return found;
  const [{ has_room } = { has_room: false }] = (room ?? []) as { has_room: boolean }[];
  if (perDay && has_room) throw tooManyToday(perDay, quotas[perDay]);
  throw passes ? tooManyNow(name, limit) : tooMany(name, limit);
}

/**
 * Counts a use of today.
 * @returns whether the limit allowed it
 */
export async function countUse(
  db: Db,
  { quotas, workspaceId }: Omit<Owner, "id">,
  name: QuotaName,
): Promise<boolean> {
  const used = usedToday(name, quotas[name], workspaceId, sql`true`);
  const rows = await db.all({
    sql: sql`with ${used} select 1 as one from used`,
    row: z.unknown(),
  });
  return rows.length > 0;
}
