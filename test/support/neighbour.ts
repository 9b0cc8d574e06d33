import { type SQL, sql } from "drizzle-orm";
import type { Db } from "../../src/db/client.ts";

/**
 * The knowledge of the planner: all that is there before a newcomer; nothing; that the tables are empty; that each has a few rows,
 * each of another workspace.
 */
export const STATISTICS = ["fresh", "none", "empty", "tiny"] as const;
export type Statistics = (typeof STATISTICS)[number];

export const NEIGHBOUR = "neighbour";
const ROWS = 60_000;

/** Runs hand-written statements of a test one after the other. */
export async function runAll(db: Db, ...statements: SQL[]): Promise<void> {
  for (const statement of statements) await db.run(statement);
}

/** The neighbour: 60,000 executions and as many events, one of each every 80 seconds of September and October 2026. */
export async function settleNeighbour(db: Db): Promise<void> {
  const at = sql`'2026-09-01T00:00:00Z'::timestamptz + n * interval '80 seconds'`;
  await runAll(
    db,
    sql`select ensure_execution_partition(m)::text from unnest('{2026-09-01,2026-10-01}'::timestamptz[]) m`,
    sql`insert into executions (workspace_id, id, agent_id, user_id, status, started_at, ended_at, error_type, error_message)
      select ${NEIGHBOUR}, 'n' || n, 'agent-' || n % 50, 'user-' || n % 500, case when n % 1000 = 0 then 'running' when n % 7 = 0 then 'failure' else 'success' end,
        ${at}, case when n % 1000 <> 0 then ${at} + interval '1 second' end, case when n % 7 = 0 then 'E' || n % 20 end, case when n % 7 = 0 then 'went wrong' end
      from generate_series(0, ${ROWS - 1}::int) n`,
    sql`insert into execution_keys select workspace_id, id, started_at from executions where workspace_id = ${NEIGHBOUR}`,
    sql`insert into events (workspace_id, id, event_type, user_id, occurred_at)
      select ${NEIGHBOUR}, 'n' || n, 'type-' || n % 10, 'user-' || n % 500, ${at} from generate_series(0, ${ROWS - 1}::int) n`,
  );
}

/** Leaves the planner with the given statistics, for good: nothing analyses the tables later. */
export async function keepStatistics(db: Db, statistics: Statistics): Promise<void> {
  const each = (work: string) =>
    sql.raw(`do $$ declare t record; begin
      for t in select c.relname::text as relname, c.relkind from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace loop
        ${work}
      end loop; end $$`);
  const counted = (pages: number, rows: number) =>
    `perform pg_restore_relation_stats('schemaname', 'public', 'relname', t.relname::text, 'relpages', ${pages}, 'reltuples', '${rows}'::real);`;
  const columns = (work: string) => `declare c record; begin
    for c in select a.attname::text as attname, i as inherited from pg_attribute a, (values (false), (true)) v(i)
      where a.attrelid = t.relname::regclass and a.attnum > 0 and not a.attisdropped and i = (t.relkind = 'p') loop ${work} end loop; end;`;
  const forgotten = columns(
    "perform pg_clear_attribute_stats('public', t.relname, c.attname, c.inherited);",
  );
  const distinct = columns(
    "perform pg_restore_attribute_stats('schemaname', 'public', 'relname', t.relname::text, 'attname', c.attname::text, 'inherited', c.inherited, 'null_frac', 0::real, 'avg_width', 8, 'n_distinct', (-1)::real);",
  );
  await runAll(
    db,
    each(
      `if t.relkind = 'r' then execute format('alter table %I set (autovacuum_enabled = off)', t.relname); end if;`,
    ),
    ...(statistics === "fresh" ? [sql`analyze`] : [each(forgotten)]),
    ...(statistics === "none" ? [each(counted(0, -1))] : []),
    ...(statistics === "empty" ? [each(counted(0, 0))] : []),
    ...(statistics === "tiny" ? [each(counted(1, 30)), each(distinct)] : []),
  );
}
