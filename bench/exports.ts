import { heapOf } from "../dev/heap.ts";
import { freePort } from "../dev/ports.ts";
import { withClient } from "./seed.ts";
import type { Instance, Stage } from "./stage.ts";
import type { Figure } from "./table.ts";

const WORKSPACE = "bench-1";
const FORMATS = ["csv", "ndjson", "parquet", "xlsx"] as const;
const COLUMNS = `id, agent_id, user_id, status, started_at, ended_at, duration_ms, credits, tokens_in,
  tokens_out, model, parent_execution_id, environment, version, error_type, error_message, metadata,
  revision, stale`;
/** Growth that an isolate may have. */
const LIMIT_MB = 64;

/** So many executions of one workspace, one a second. */
async function fill(url: string, rows: number): Promise<void> {
  await withClient(url, async (client) => {
    await client.query(
      `select ensure_execution_partition('2026-01-01'::timestamptz + make_interval(days => d))
       from generate_series(0, 30, 14) d`,
    );
    await client.query(
      `insert into executions (
         workspace_id, id, agent_id, user_id, status, started_at, ended_at, duration_given_ms,
         credits, tokens_in, tokens_out, model, environment, metadata)
       select '${WORKSPACE}', 'x' || i, 'agent-' || i % 50, 'user-' || i % 500, 'success', t,
         t + interval '1 second', i % 9000, (i % 1000) / 7.0, i % 8000, i % 2000,
         (array['gpt-4o', 'claude-sonnet', 'llama-70b'])[1 + i % 3], 'prod',
         jsonb_build_object('trace', md5(i::text))
       from (
         select i, '2026-01-01'::timestamptz + i * interval '1 second' as t
         from generate_series(0, $1::int - 1) i
       ) g`,
      [rows],
    );
    await client.query("vacuum analyze executions");
  });
}

async function call(
  port: number,
  token: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1${path}?workspace_id=${WORKSPACE}`, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { data: Record<string, unknown> }).data;
}

/**
 * Exports the first `rows` rows on a Worker of its own.
 * @returns rows a second and the largest growth of its isolate's heap (MB)
 */
async function exported(
  stage: Stage,
  url: string,
  format: string,
  rows: number,
): Promise<{ rowsPerSecond: number; megabytes: number }> {
  const inspectorPort = await freePort();
  const worker: Instance = await stage.worker(url, inspectorPort);
  const ask = (path: string, body?: object) => call(worker.port, stage.token, path, body);
  const to = (count: number) => new Date(Date.UTC(2026, 0, 1) + count * 1000).toISOString();
  const run = async (count: number) => {
    const { id } = await ask("/exports", {
      source: "executions",
      format,
      from: "2026-01-01T00:00:00Z",
      to: to(count),
    });
    for (;;) {
      const job = await ask(`/exports/${id}`);
      if (job.status === "done") return job;
      if (job.status !== "queued" && job.status !== "running")
        throw new Error(JSON.stringify(job.error));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  // The first job compiles what it needs.
  await run(100);
  const heap = await heapOf(inspectorPort);
  const before = await heap.megabytes();
  let [peak, watching] = [before, true];
  const watch = (async () => {
    while (watching) {
      peak = Math.max(peak, await heap.megabytes());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const job = await run(rows);
  watching = false;
  await watch;
  heap.close();
  await worker.stop();
  const seconds = (Date.parse(String(job.finished_at)) - Date.parse(String(job.started_at))) / 1000;
  return { rowsPerSecond: rows / seconds, megabytes: peak - before };
}

/** Exports of few and of many rows: their memory, and their speed beside a bare COPY of the same. */
export async function exportFigures(stage: Stage, runs: number, rows: number): Promise<Figure[]> {
  const url = await stage.database("exports");
  await fill(url, rows);
  const copy = () =>
    withClient(url, async (client) => {
      const started = performance.now();
      await client.query(
        `copy (
           select ${COLUMNS}
           from executions
           where workspace_id = '${WORKSPACE}'
           order by started_at, id
         ) to '/dev/null' with (format csv)`,
      );
      return rows / ((performance.now() - started) / 1000);
    });
  await copy();
  const figures: Figure[] = [];
  for (const format of FORMATS) {
    const few = await exported(stage, url, format, 10_000);
    const [speed, memory]: Figure["runs"][] = [[], []];
    // Each format's first runs are enough to see whether its memory grows; one of them is repeated.
    for (let run = 0; run < (format === "csv" ? runs : 1); run++) {
      const many = await exported(stage, url, format, rows);
      speed?.push({ ours: many.rowsPerSecond, reference: await copy() });
      memory?.push({ ours: many.megabytes, reference: LIMIT_MB });
    }
    const count = rows.toLocaleString("en");
    figures.push(
      {
        name: `export of ${count} rows, ${format}`,
        unit: "rows/s",
        runs: speed ?? [],
        reference: "bare COPY",
        ratio: "ours/reference",
      },
      {
        name: `the same: heap of the isolate above start (10,000 rows: ${few.megabytes.toFixed(0)} MB)`,
        unit: "MB",
        runs: memory ?? [],
        reference: `${LIMIT_MB} MB`,
        ratio: "ours/reference",
        target: { at: "most", value: 1 },
      },
    );
  }
  return figures;
}
