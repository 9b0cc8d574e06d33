import { sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace } from "../../db/scope.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";

const NEWEST = 50;
const row = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string().nullable(),
  started_at: z.string(),
  elapsed_ms: z.number(),
  running: z.number(),
});

export interface RunningNow {
  running: number;
  newest: {
    id: string;
    agent_id: string;
    user_id: string | null;
    started_at: string;
    elapsed_ms: number;
  }[];
}

/** Executions that have not ended: how many, and the 50 that started last. Answered from the index of running ones. */
export function runningNow(workspaceId: string): PreparedQuery<RunningNow> {
  const statement = sql`select e.id, e.agent_id, e.user_id, e.started_at, greatest(0, extract(epoch from now() - e.started_at) * 1000)::float8 as elapsed_ms,
      count(*) over () as running from executions e where ${inWorkspace(workspaceId, "e")} and e.status = 'running'
    order by e.started_at desc, e.id desc limit ${NEWEST}`;
  return prepared({ sql: statement, row }, (rows) => ({
    running: rows[0]?.running ?? 0,
    newest: rows.map(({ running: _, ...rest }) => rest),
  }));
}
