import { sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace } from "../../db/scope.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";

const MAX_NEWEST = 50;

const runningExecution = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string().nullable(),
  started_at: z.string(),
  elapsed_ms: z.number(),
});
const runningRow = runningExecution.extend({ running: z.number() });

export interface RunningNow {
  running: number;
  newest: z.output<typeof runningExecution>[];
}

/**
 * Executions that have not ended: their number, and the 50 that started last. Read from the index
 * of running executions.
 */
export function runningNow(workspaceId: string): PreparedQuery<RunningNow> {
  const elapsed = sql`extract(epoch from now() - e.started_at) * 1000`;
  const statement = sql`
    select e.id, e.agent_id, e.user_id, e.started_at,
      greatest(0, ${elapsed})::float8 as elapsed_ms,
      count(*) over () as running
    from executions e
    where ${inWorkspace(workspaceId, "e")} and e.status = 'running'
    order by e.started_at desc, e.id desc
    limit ${MAX_NEWEST}`;
  return prepared({ sql: statement, row: runningRow }, (rows) => ({
    running: rows[0]?.running ?? 0,
    newest: rows.map(({ running: _, ...rest }) => rest),
  }));
}
