import { PgDialect } from "drizzle-orm/pg-core";
import type pg from "pg";
import { replaceRollups } from "../src/analytics/rollups/recompute.ts";
import { withClient } from "./seed.ts";
import type { Stage } from "./stage.ts";
import { type Figure, median } from "./table.ts";

const HOUR = "2026-03-01T10:00:00Z";
const ROWS = 5120;
/** The rollup's two grains without marks, sketches, sets and writes: groups with exact percentiles. */
const group = (keys: string) => `
  select ${keys}, count(*), count(error_type), count(duration_ms),
    sum(duration_ms), min(duration_ms), max(duration_ms),
    percentile_cont(array[0.5, 0.95, 0.99]) within group (order by duration_ms),
    sum(credits), sum(tokens_in), sum(tokens_out), count(distinct user_id)
  from executions
  where workspace_id = 'dense'
    and started_at >= '${HOUR}' and started_at < timestamptz '${HOUR}' + interval '1 hour'
  group by ${keys}`;
const BARE = [group("status"), group("agent_id, status")];

async function time(client: pg.Client, run: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let index = 0; index < 15; index++) {
    await client.query(
      "insert into rollup_marks (unit, workspace_id, bucket) values ('hour', 'dense', $1)",
      [HOUR],
    );
    const started = performance.now();
    await run();
    taken.push(performance.now() - started);
  }
  return median(taken);
}

/** One dense hour of one workspace: the rollup's transaction against the bare GROUP BY. */
export async function rollupFigure(stage: Stage, runs: number): Promise<Figure> {
  const url = await stage.database("dense");
  const dialect = new PgDialect();
  const statements = replaceRollups("hour", [{ workspaceId: "dense", bucket: HOUR }]).map(
    (statement) => dialect.sqlToQuery(statement),
  );
  const results: Figure["runs"] = [];
  await withClient(url, async (client) => {
    await client.query("select ensure_execution_partition($1)", [HOUR]);
    await client.query(
      `insert into executions (
         workspace_id, id, agent_id, user_id, status, started_at, duration_given_ms, credits,
         tokens_in, tokens_out, settled)
       select 'dense', 'd' || i, 'agent-' || i % 10, 'user-' || i % 250,
         (array['success', 'success', 'success', 'failure'])[1 + i % 4],
         timestamptz '${HOUR}' + make_interval(secs => i * 3600.0 / ${ROWS}),
         round(exp(6.5 + 1.1 * ((i * 7919 % 1000) / 200.0 - 2.5)))::int,
         i % 100 / 10.0, i % 8000, i % 2000, 4095
       from generate_series(0, ${ROWS - 1}) i`,
    );
    await client.query("vacuum analyze executions");
    const rollup = async () => {
      await client.query("begin isolation level repeatable read");
      for (const { sql, params } of statements) await client.query(sql, params);
      await client.query("commit");
    };
    const bare = async () => {
      for (const statement of BARE) await client.query(statement);
    };
    await time(client, rollup);
    for (let run = 0; run < runs; run++)
      results.push({ ours: await time(client, rollup), reference: await time(client, bare) });
  });
  return {
    name: `rollup of one hour of ${ROWS.toLocaleString("en")} rows, sketches included`,
    unit: "ms",
    runs: results,
    reference: "ms of the bare GROUP BY",
    ratio: "ours/reference",
    target: { at: "most", value: 2 },
  };
}
