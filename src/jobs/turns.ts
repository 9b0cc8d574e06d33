import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { beginAttempt, foundJob, isUnheld, JOB_TABLES, jobsOf, mayBegin } from "./lease.ts";

/** Rows of kind, workspace_id, id, open (may begin), busy (an attempt runs), since. */
type PendingWork = SQL;

/**
 * CTEs that pick the next row: workspaces take turns, the one served longest ago first, and within
 * a workspace the row that waits longest. `pick` has at most one row: kind, workspace_id, id.
 * @param most rows of one workspace that may be busy at once
 */
function pickNext(queue: string, work: PendingWork, most: number): SQL {
  return sql`
    work as materialized (${work}),
    pick as materialized (
      select w.kind, w.workspace_id, w.id
      from work w
      join (
        select workspace_id, count(*) filter (where busy) as busy
        from work
        group by 1
      ) b on b.workspace_id = w.workspace_id
      left join turns t on t.queue = ${queue} and t.workspace_id = w.workspace_id
      where w.open
        and b.busy < ${most}::int
      order by t.served_at nulls first, w.since, w.kind, w.id
      limit 1
    ),
    served as (
      insert into turns (queue, workspace_id, served_at)
      select ${queue}, workspace_id, clock_timestamp()
      from pick
      on conflict (queue, workspace_id) do update
        set served_at = excluded.served_at
    )`;
}

/**
 * Picks a row and takes it in one transaction, one consumer at a time, so that the limit and the
 * turns hold for any number of consumers.
 * @param take CTEs that change the picked row, and the statement that returns it
 */
export async function takeTurn<T>(
  db: Db,
  queue: string,
  { work, most, take, row }: { work: PendingWork; most: number; take: SQL; row: z.ZodType<T> },
): Promise<T | undefined> {
  const lock = sql`select pg_advisory_xact_lock(hashtext(${`turns:${queue}`}))::text`;
  const [, rows] = await db.transaction(
    [
      { sql: lock, row: z.unknown() },
      { sql: sql`with ${pickNext(queue, work, most)}, ${take}`, row },
    ],
    { isolation: "ReadCommitted" },
  );
  return rows?.[0] as T | undefined;
}

/** Queued and running jobs of all tables. @param where condition on the jobs `e` */
function unfinishedJobs(where = sql`true`): PendingWork {
  const parts = JOB_TABLES.map(
    (table) => sql`
      select
        ${table}::text as kind,
        e.workspace_id,
        e.id,
        ${mayBegin} as open,
        e.status = 'running' and not ${isUnheld} as busy,
        coalesce(e.lease_until, e.created_at) as since
      from ${jobsOf(table)}
      where e.status in ('queued', 'running')
        and ${where}`,
  );
  return sql.join(parts, sql` union all `);
}

const openJob = foundJob.extend({ kind: z.enum(JOB_TABLES) });
export type OpenJob = z.output<typeof openJob>;
const takenJob = openJob.extend({ attempts: z.number() });
export type TakenJob = z.output<typeof takenJob>;

/**
 * Begins an attempt of the job whose turn it is.
 * @param most jobs of one workspace at work at once
 * @param token of the attempt
 */
export function takeJob(db: Db, most: number, token: string): Promise<TakenJob | undefined> {
  const updates = JOB_TABLES.map(
    (table) => sql`
      ${sql.identifier(`took_${table}`)} as (
        update ${jobsOf(table)}
        set ${beginAttempt(token)}
        from pick p
        where p.kind = ${table}
          and e.workspace_id = p.workspace_id
          and e.id = p.id
        returning p.kind, e.workspace_id, e.id, e.attempts
      )`,
  );
  const take = sql`
    ${sql.join(updates, sql`, `)}
    select * from took_exports
    union all
    select * from took_report_runs`;
  return takeTurn(db, "jobs", { work: unfinishedJobs(), most, take, row: takenJob });
}

/** Returns a job of the workspace that may begin, if any. */
export function waitingJob(db: Db, workspaceId: string): Promise<OpenJob | undefined> {
  return db.maybe({
    sql: sql`
      select w.kind, w.workspace_id, w.id
      from (${unfinishedJobs(sql`e.workspace_id = ${workspaceId}`)}) w
      where w.open
      order by w.since, w.id
      limit 1`,
    row: openJob,
  });
}

/**
 * Lists jobs whose attempt should have begun: their message or their worker was lost.
 * @param most jobs of one workspace at work at once
 */
export function overdueJobs(db: Db, most: number, limit: number): Promise<OpenJob[]> {
  return db.all({
    sql: sql`
      with work as materialized (${unfinishedJobs()}),
      places as (
        select workspace_id, ${most}::int - count(*) filter (where busy) as free
        from work
        group by 1
      ),
      lined as (
        select w.*, row_number() over (partition by workspace_id order by since, id) as place
        from work w
        where w.open
          and w.since < now() - interval '1 minute'
      )
      select l.kind, l.workspace_id, l.id
      from lined l
      join places p using (workspace_id)
      where l.place <= p.free
      order by l.place, l.since, l.id
      limit ${limit}::int`,
    row: openJob,
  });
}
