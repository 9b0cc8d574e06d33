import pg from "pg";
import { ROLLUP_TABLES } from "../src/analytics/rollups/definition.ts";

export const WORKSPACES = 20;
export const workspaceName = (index: number) => `bench-${index}`;

/** Connects, runs, and always disconnects. */
export async function withClient<T>(
  url: string,
  run: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end();
  }
}

/** Indexes of executions beside its key: so many rows are inserted faster before they exist. */
const INDEXES = `select indexname as name, indexdef as definition
  from pg_indexes
  where schemaname = 'public' and tablename = 'executions' and indexname not like '%_pk'`;

/**
 * Rows of 90 days that end at the start of the current hour: 20 workspaces, 200 agents and 5,000
 * users, each by Zipf's law, lognormal durations, more by day than by night. The same for the same
 * count.
 */
export async function seed(url: string, rows: number): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(
      `select ensure_execution_partition(now() - make_interval(days => d))
       from generate_series(-1, 97, 14) d`,
    );
    await client.query("select setseed(0.42)");
    await client.query("set max_parallel_workers_per_gather = 0");
    await client.query(
      `create temp table cdf as
       select array_agg(c order by k) as weights, n
       from (
         select n, k,
           sum(1.0 / k) over (partition by n order by k) / sum(1.0 / k) over (partition by n) as c
         from (values (20), (10), (250)) v(n), generate_series(1, n) k
       ) x
       group by n`,
    );
    const { rows: indexes } = await client.query<{ name: string; definition: string }>(INDEXES);
    for (const { name } of indexes) await client.query(`drop index ${name}`);
    await client.query(
      `insert into executions (
         workspace_id, id, agent_id, user_id, status, started_at, ended_at, duration_given_ms,
         credits, tokens_in, tokens_out, model,
         environment, error_type, metadata, settled)
       select 'bench-' || w, 'x' || i, 'agent-' || w || '-' || a, 'user-' || w || '-' || u,
         status, t, t + make_interval(secs => ms / 1000.0), ms,
         round((ms / 1000.0 * 0.7 + r)::numeric, 3), (r2 * 8000)::int, (r3 * 2000)::int,
         (array['gpt-4o', 'claude-sonnet', 'llama-70b', 'mistral'])[1 + (r * 4)::int % 4], 'prod',
         case when status = 'failure'
           then (array['RateLimit', 'ToolError', 'BadOutput'])[1 + (r2 * 3)::int % 3]
         end,
         jsonb_build_object('trace', to_hex((r3 * 4e9)::bigint)),
         2048 + 1 + 2 + 4 + 8 + 16 + 32 + 128 + 1024
       from (
         select i,
           least(width_bucket(random(), cw.weights) + 1, 20) as w,
           least(width_bucket(random(), ca.weights) + 1, 10) as a,
           least(width_bucket(random(), cu.weights) + 1, 250) as u,
           random() as r, random() as r2, random() as r3,
           round(exp(
             6.5 + 1.1 * sqrt(-2 * ln(1 - random())) * cos(6.283185307179586 * random())
           ))::int as ms,
           date_trunc('hour', now()) - interval '90 days' + make_interval(
             secs => (i::float8 / $1) * 89.9 * 86400
               + 7200 * (1 + sin(i::float8 / $1 * 90 * 6.283185307179586)) / 2
           ) as t,
           case
             when r0 < 0.92 then 'success'
             when r0 < 0.98 then 'failure'
             when r0 < 0.995 then 'timeout'
             else 'cancelled'
           end as status
         from (select i, random() as r0 from generate_series(1, $1::int) i) g,
           (select weights from cdf where n = 20) cw,
           (select weights from cdf where n = 10) ca,
           (select weights from cdf where n = 250) cu
         offset 0
       ) g`,
      [rows],
    );
    for (const { definition } of indexes)
      await client.query(definition.replace(" ON ONLY ", " ON "));
    await client.query(
      "insert into execution_keys (workspace_id, id, started_at) select workspace_id, id, started_at from executions",
    );
    await client.query("vacuum analyze executions");
    await client.query("vacuum analyze execution_keys");
  });
}

/** Marks every hour and day that has rows, as writers would have. */
export async function markAll(url: string): Promise<void> {
  await withClient(url, async (client) => {
    for (const table of [...Object.values(ROLLUP_TABLES).flat(), "rollup_marks"])
      await client.query(`truncate ${table}`);
    for (const unit of ["hour", "day"]) {
      await client.query(
        "insert into rollup_marks (unit, workspace_id, bucket) select distinct $1, workspace_id, date_trunc($1, started_at, 'UTC') from executions",
        [unit],
      );
    }
    await client.query("analyze rollup_marks");
  });
}

/** An execution as a client sends it; `index` makes it unique and places it in the last 30 days. */
export function sampleExecution(prefix: string, index: number, now: number) {
  const ms = 50 + ((index * 7919) % 20_000);
  const started = now - 3_600_000 - ((index * 613) % (30 * 86_400)) * 1000;
  return {
    id: `${prefix}-${index}`,
    agent_id: `agent-${index % 10}`,
    user_id: `user-${(index * 31) % 250}`,
    status: index % 13 === 0 ? "failure" : "success",
    started_at: new Date(started).toISOString(),
    ended_at: new Date(started + ms).toISOString(),
    duration_ms: ms,
    credits: ((index % 5000) / 1000).toFixed(3),
    tokens_in: (index * 17) % 8000,
    tokens_out: (index * 11) % 2000,
    model: ["gpt-4o", "claude-sonnet", "llama-70b", "mistral"][index % 4],
    environment: "prod",
    metadata: { trace: (index * 2654435761).toString(16), region: "eu" },
  };
}
