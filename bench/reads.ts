import pg from "pg";
import { ROLLUP_TABLES } from "../src/analytics/rollups/definition.ts";
import { load, requestBytes } from "./load.ts";
import { markAll, seed, withClient } from "./seed.ts";
import type { Instance, Stage } from "./stage.ts";
import { type Figure, median } from "./table.ts";

export const [AGENT, USER] = ["agent-1-1", "user-1-1"];
export const WORKSPACE = "bench-1";
export const SUMMARY = `/api/v1/metrics/summary?timeframe=90d&workspace_id=${WORKSPACE}`;
const EXACT = `select count(*), count(*) filter (where status = 'success'),
    avg(duration_ms), min(duration_ms), max(duration_ms),
    percentile_disc(array[0.5, 0.75, 0.9, 0.95, 0.99]) within group (order by duration_ms),
    sum(credits), sum(tokens_in), sum(tokens_out),
    count(distinct user_id), count(distinct agent_id)
  from executions
  where workspace_id = $1 and started_at >= now() - interval '90 days' and started_at < now()`;
const LIST = `select id, agent_id, user_id, status, started_at, ended_at, duration_ms, credits,
    tokens_in, tokens_out, model, parent_execution_id, environment, version, error_type,
    error_message, metadata, revision, stale
  from executions
  where workspace_id = $1
  order by started_at desc, id desc
  limit 101`;

export const milliseconds = async (times: number, run: () => Promise<unknown>): Promise<number> => {
  const taken: number[] = [];
  for (let index = 0; index < times; index++) {
    const started = performance.now();
    await run();
    taken.push(performance.now() - started);
  }
  return median(taken);
};

async function call(port: number, token: string, path: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}`, "cache-control": "no-cache" },
  });
  if (response.status !== 200)
    throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

export interface Seeded {
  rows: number;
  url: string;
  worker: Instance;
  /** Rows a second of the rebuild of all 90 days. */
  rebuilt: number;
}

/**
 * A database of so many rows, rolled up through the Worker's own crons.
 * @param change of the rows before they are rolled up
 */
export async function seeded(
  stage: Stage,
  rows: number,
  name = `rows_${rows}`,
  change?: (url: string) => Promise<void>,
): Promise<Seeded> {
  const url = await stage.database(name);
  console.error(`seeding ${rows.toLocaleString("en")} rows`);
  await seed(url, rows);
  await change?.(url);
  await markAll(url);
  const worker = await stage.worker(url);
  console.error("rolling up");
  const started = performance.now();
  await withClient(url, async (client) => {
    // The hours' runs mark the sessions of their days.
    for (const [unit, cron] of [
      ["hour", "5 * * * *"],
      ["session", "5 * * * *"],
      ["day", "0 1 * * *"],
    ] as const) {
      await worker.cron(cron);
      // A run that used up its time goes on through the queue.
      for (;;) {
        const { rows: left } = await client.query(
          "select 1 from rollup_marks where unit = $1 limit 1",
          [unit],
        );
        if (left.length === 0) break;
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  });
  const rebuilt = rows / ((performance.now() - started) / 1000);
  await withClient(url, async (client) => {
    for (const table of [...Object.values(ROLLUP_TABLES).flat(), "rollup_marks"])
      await client.query(`vacuum analyze ${table}`);
  });
  return { rows, url, worker, rebuilt };
}

/** Summary over 90 days: the large set against the small one, and against exact SQL. */
export async function summaryFigures(
  stage: Stage,
  small: Seeded,
  large: Seeded,
  runs: number,
): Promise<Figure[]> {
  const [growth, exact]: Figure["runs"][] = [[], []];
  await withClient(large.url, async (client) => {
    for (const { worker } of [small, large])
      await milliseconds(5, () => call(worker.port, stage.token, SUMMARY));
    await client.query(EXACT, [WORKSPACE]);
    for (let run = 0; run < runs; run++) {
      const [a, b] = [
        await milliseconds(15, () => call(small.worker.port, stage.token, SUMMARY)),
        await milliseconds(15, () => call(large.worker.port, stage.token, SUMMARY)),
      ];
      if (large !== small) growth?.push({ ours: b, reference: a });
      exact?.push({
        ours: b,
        reference: await milliseconds(3, () => client.query(EXACT, [WORKSPACE])),
      });
    }
  });
  const millions = (rows: number) => `${rows / 1e6} M`;
  return [
    ...(large === small
      ? []
      : [
          {
            name: `summary of 90 days, ${millions(large.rows)} rows`,
            unit: "ms",
            runs: growth ?? [],
            reference: `ms at ${millions(small.rows)}`,
            ratio: "ours/reference" as const,
            target: { at: "most" as const, value: 1.3 },
          },
        ]),
    {
      name: `summary of 90 days, ${millions(large.rows)} rows, times faster`,
      unit: "ms",
      runs: exact ?? [],
      reference: "ms of exact SQL on raw rows",
      ratio: "reference/ours",
      ...(large.rows >= 10_000_000 ? { target: { at: "least", value: 100 } } : {}),
    },
  ];
}

/** The list and its pages, and cached answers. */
export async function listFigures(
  stage: Stage,
  { url, worker }: Seeded,
  runs: number,
): Promise<Figure[]> {
  const headers = { authorization: `Bearer ${stage.token}` };
  const [list, deep, cached]: Figure["runs"][] = [[], [], []];
  const reference = await stage.reference(url);
  const first = `/api/v1/executions?limit=100&workspace_id=${WORKSPACE}`;
  let cursor = "";
  for (let page = 0; page < 200; page++) {
    const answer = (await call(
      worker.port,
      stage.token,
      cursor ? `${first}&cursor=${cursor}` : first,
    )) as {
      page: { next_cursor: string };
    };
    cursor = answer.page.next_cursor;
  }
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  const bareLists = async (seconds: number) => {
    let done = 0;
    const end = performance.now() + seconds * 1000;
    const reader = async () => {
      for (; performance.now() < end; done++) await pool.query(LIST, [WORKSPACE]);
    };
    await Promise.all(Array.from({ length: 4 }, reader));
    return done / seconds;
  };
  for (let run = 0; run < runs; run++) {
    const get = (path: string) => () => requestBytes("GET", path, headers);
    const listed = await load({
      port: worker.port,
      connections: 4,
      seconds: 4,
      expected: 200,
      request: get(first),
    });
    list?.push({ ours: listed.requestsPerSecond, reference: await bareLists(4) });
    const [near, far] = [
      await milliseconds(100, () => call(worker.port, stage.token, first)),
      await milliseconds(100, () => call(worker.port, stage.token, `${first}&cursor=${cursor}`)),
    ];
    deep?.push({ ours: far, reference: near });
    const hello = await load({
      port: reference.port,
      connections: 32,
      seconds: 4,
      expected: 200,
      request: () => requestBytes("GET", "/hello", headers),
    });
    const answered = await load({
      port: worker.port,
      connections: 32,
      seconds: 4,
      expected: 200,
      request: get(SUMMARY),
    });
    if (answered.failed + listed.failed > 0) throw new Error("Some answers were not 200");
    cached?.push({ ours: answered.requestsPerSecond, reference: hello.requestsPerSecond });
  }
  await pool.end();
  await reference.stop();
  return [
    {
      name: "list of 100 executions, 4 clients",
      unit: "requests/s",
      runs: list ?? [],
      reference: "bare SQL, 4 connections",
      ratio: "ours/reference",
      target: { at: "least", value: 0.25 },
    },
    {
      name: "page at depth 20,000 by cursor",
      unit: "ms",
      runs: deep ?? [],
      reference: "ms of the first page",
      ratio: "ours/reference",
      target: { at: "most", value: 1.3 },
    },
    {
      name: "cached summary, token checked, 32 clients",
      unit: "requests/s",
      runs: cached ?? [],
      reference: "hello route, same runtime",
      ratio: "ours/reference",
      target: { at: "least", value: 0.65 },
    },
  ];
}
