import { sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { insertMarks } from "../src/analytics/rollups/marks.ts";
import { load, requestBytes } from "./load.ts";
import { seeded } from "./reads.ts";
import { withClient } from "./seed.ts";
import type { Stage } from "./stage.ts";
import type { Figure } from "./table.ts";

const [QUIET, BUSY] = ["bench-1", "bench-20"];
const BURST = 400_000;
const MINUTE_MS = 60_000;

/** Makes BUSY a twin of QUIET: the same rows with other ids. */
async function makeTwin(url: string): Promise<void> {
  await withClient(url, async (client) => {
    for (const table of ["executions", "execution_keys"])
      await client.query(`delete from ${table} where workspace_id = $1`, [BUSY]);
    const copied = `id, agent_id, user_id, status, started_at, ended_at, duration_given_ms, credits,
      tokens_in, tokens_out, model, environment, error_type, metadata, settled`;
    await client.query(
      `insert into executions (workspace_id, ${copied})
       select $2, 't' || ${copied} from executions where workspace_id = $1`,
      [QUIET, BUSY],
    );
    await client.query(
      `insert into execution_keys (workspace_id, id, started_at)
       select workspace_id, id, started_at from executions where workspace_id = $1`,
      [BUSY],
    );
  });
}

/** Rows of the last sixty minutes that have just come, with the marks of their writers. */
async function writeBurst(url: string): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(
      `create temp table burst as
       select $1::text as workspace_id, 'burst' || i as id, 'agent-1-' || 1 + i % 10 as agent_id,
         'user-1-' || 1 + i * 7919 % 250 as user_id,
         case when i % 13 = 0 then 'failure' else 'success' end as status,
         now() - interval '60 minutes' + i * (interval '60 minutes' / ${BURST}) as started_at,
         round(exp(6.5 + 1.1 * ((i * 7919 % 1000) / 200.0 - 2.5)))::int as duration_given_ms,
         i % 5000 / 1000.0 as credits, i % 8000 as tokens_in, i % 2000 as tokens_out,
         4095 as settled
       from generate_series(0::bigint, ${BURST - 1}) i`,
      [BUSY],
    );
    const columns = `workspace_id, id, agent_id, user_id, status, started_at, duration_given_ms,
      credits, tokens_in, tokens_out, settled`;
    await client.query(`insert into executions (${columns}) select ${columns} from burst`);
    await client.query("insert into execution_keys select workspace_id, id, started_at from burst");
    const marks = new PgDialect().sqlToQuery(insertMarks("hour", "started_at", sql`burst`));
    await client.query(marks.sql, marks.params);
  });
}

/** The summary of a workspace whose newest hour came in a burst, against its quiet twin. */
export async function busyFigure(stage: Stage, runs: number, rows: number): Promise<Figure> {
  const { url, worker } = await seeded(stage, rows, "busy", makeTwin);
  await writeBurst(url);
  const headers = { authorization: `Bearer ${stage.token}`, "cache-control": "no-cache" };
  const asked = async (workspace: string) => {
    const path = `/api/v1/metrics/summary?timeframe=30d&workspace_id=${workspace}`;
    const { requestsPerSecond, failed } = await load({
      port: worker.port,
      connections: 16,
      seconds: 6,
      expected: 200,
      request: () => requestBytes("GET", path, headers),
    });
    if (failed > 0) throw new Error("Some answers were not 200");
    return requestsPerSecond;
  };
  console.error(`before the cron of the minute: ${await asked(BUSY)} requests/s`);
  // The next minute begins, as it does for the platform's cron.
  await new Promise((resolve) => setTimeout(resolve, MINUTE_MS - (Date.now() % MINUTE_MS)));
  const started = performance.now();
  await worker.cron("* * * * *");
  console.error(`the cron of the minute took ${Math.round(performance.now() - started)} ms`);
  const results: Figure["runs"] = [];
  await asked(QUIET);
  for (let run = 0; run < runs; run++)
    results.push({ ours: await asked(BUSY), reference: await asked(QUIET) });
  await worker.stop();
  return {
    name: `summary of 30 days, 16 clients, ${BURST.toLocaleString("en")} rows in the newest hour`,
    unit: "requests/s",
    runs: results,
    reference: "a quiet workspace with the same history",
    ratio: "ours/reference",
    target: { at: "least", value: 0.7 },
  };
}
