import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Db } from "../db/client.ts";
import { beginAttempt, foundJob, isUnheld, type JobTable, mayBegin } from "./lease.ts";

/** Rows that wait or are at work: kind, workspace_id, id, open (may begin), busy (is at work), since. */
type Work = SQL;

/**
 * CTEs that pick what begins next: workspaces take turns, whoever has waited longest for one comes first, and within a
 * workspace what has waited longest. `pick` has at most one row: kind, workspace_id, id.
 * @param most rows of one workspace that may be at work at once
 */
function pickNext(queue: string, work: Work, most: number): SQL {
  return sql`work as materialized (${work}),
    pick as materialized (select w.kind, w.workspace_id, w.id from work w
      join (select workspace_id, count(*) filter (where busy) as busy from work group by 1) b
        on b.workspace_id = w.workspace_id
      left join turns t on t.queue = ${queue} and t.workspace_id = w.workspace_id
      where w.open and b.busy < ${most}::int
      order by t.served_at nulls first, w.since, w.kind, w.id limit 1),
    served as (insert into turns (queue, workspace_id, served_at)
      select ${queue}, workspace_id, clock_timestamp() from pick
      on conflict (queue, workspace_id) do update set served_at = excluded.served_at)`;
}

/**
 * Picks and takes in one transaction, one consumer at a time: so that the limit and the turns hold however many there are.
 * @param take CTEs that change the picked row, and what they give
 */
export async function takeTurn<T>(
  db: Db,
  queue: string,
  { work, most, take, row }: { work: Work; most: number; take: SQL; row: z.ZodType<T> },
): Promise<T | undefined> {
  const [, rows] = await db.transaction(
    [
      {
        sql: sql`select pg_advisory_xact_lock(hashtext(${`turns:${queue}`}))::text`,
        row: z.unknown(),
      },
      { sql: sql`with ${pickNext(queue, work, most)}, ${take}`, row },
    ],
    { isolation: "ReadCommitted" },
  );
  return rows?.[0] as T | undefined;
}

const TABLES: JobTable[] = ["exports", "report_runs"];

/** Jobs of both tables that are not over. @param where on the jobs `e` */
const unfinished = (where = sql`true`): Work =>
  sql.join(
    TABLES.map(
      (table) => sql`select ${table}::text as kind, e.workspace_id, e.id, ${mayBegin} as open,
        e.status = 'running' and not ${isUnheld} as busy, coalesce(e.lease_until, e.created_at) as since
      from ${sql.identifier(table)} e where e.status in ('queued', 'running') and ${where}`,
    ),
    sql` union all `,
  );

const job = foundJob.extend({ kind: z.enum(["exports", "report_runs"]) });
export type OpenJob = z.output<typeof job>;
const taken = job.extend({ attempts: z.number() });
export type TakenJob = z.output<typeof taken>;

/** Takes the job whose turn it is, for an attempt under `token`. @param most jobs of a workspace at work at once */
export function takeJob(db: Db, most: number, token: string): Promise<TakenJob | undefined> {
  const took = TABLES.map(
    (
      table,
    ) => sql`${sql.identifier(`took_${table}`)} as (update ${sql.identifier(table)} e set ${beginAttempt(token)}
      from pick p where p.kind = ${table} and e.workspace_id = p.workspace_id and e.id = p.id
      returning p.kind, e.workspace_id, e.id, e.attempts)`,
  );
  const take = sql`${sql.join(took, sql`, `)}
    select * from took_exports union all select * from took_report_runs`;
  return takeTurn(db, "jobs", { work: unfinished(), most, take, row: taken });
}

/** A job of the workspace that waits, if one does: when another one ends, its place is free. */
export async function waitingJob(db: Db, workspaceId: string): Promise<OpenJob | undefined> {
  const found = await db.maybe({
    sql: sql`select w.kind, w.workspace_id, w.id from (${unfinished(sql`e.workspace_id = ${workspaceId}`)}) w
      where w.open order by w.since, w.id limit 1`,
    row: job,
  });
  return found;
}

/**
 * Jobs that should have begun by now: their message, or their worker, was lost.
 * @param most jobs of a workspace at work at once
 */
export function overdueJobs(db: Db, most: number, limit: number): Promise<OpenJob[]> {
  return db.all({
    sql: sql`with work as materialized (${unfinished()}),
      places as (select workspace_id, ${most}::int - count(*) filter (where busy) as free from work group by 1),
      lined as (select w.*, row_number() over (partition by workspace_id order by since, id) as place from work w
        where w.open and w.since < now() - interval '1 minute')
      select l.kind, l.workspace_id, l.id from lined l join places p using (workspace_id)
      where l.place <= p.free order by l.place, l.since, l.id limit ${limit}::int`,
    row: job,
  });
}
