import { request } from "node:http";
import { Readable } from "node:stream";
import pg from "pg";
import { BATCH, bareInserts, CLIENTS, ROWS, WORKSPACE } from "./bare-inserts.ts";
import { load, requestBytes } from "./load.ts";
import { sampleExecution } from "./seed.ts";
import { type Stage, workerdMegabytes } from "./stage.ts";
import type { Figure } from "./table.ts";

/** Batches of 500 over HTTP from 4 clients. Rows a second. */
async function batches(port: number, token: string, prefix: string, now: number): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const { requestsPerSecond, failed } = await load({
    port,
    connections: CLIENTS,
    requests: ROWS / BATCH,
    expected: 207,
    request: (index) => {
      const executions = Array.from({ length: BATCH }, (_, row) =>
        sampleExecution(prefix, index * BATCH + row, now),
      );
      return requestBytes(
        "POST",
        `/api/v1/executions?workspace_id=${WORKSPACE}`,
        headers,
        JSON.stringify({ executions }),
      );
    },
  });
  if (failed > 0) throw new Error(`${failed} batches were refused`);
  return requestsPerSecond * BATCH;
}

async function singles(
  port: number,
  token: string,
  prefix: string,
  now: number,
  seconds: number,
): Promise<number> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const { requestsPerSecond, failed } = await load({
    port,
    connections: 16,
    seconds,
    expected: 201,
    request: (index) =>
      requestBytes(
        "POST",
        `/api/v1/executions?workspace_id=${WORKSPACE}`,
        headers,
        JSON.stringify(sampleExecution(prefix, index, now)),
      ),
  });
  if (failed > 0) throw new Error(`${failed} requests were refused`);
  return requestsPerSecond;
}

/**
 * Sends `rows` lines in one request.
 * @returns the largest growth of the runtime's memory (MB), and rows a second
 */
async function stream(
  port: number,
  token: string,
  rows: number,
  now: number,
): Promise<{ megabytes: number; rowsPerSecond: number }> {
  const before = workerdMegabytes();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, workerdMegabytes());
  }, 100);
  const lines = function* () {
    for (let from = 0; from < rows; from += 500) {
      yield Array.from(
        { length: Math.min(500, rows - from) },
        (_, row) => `${JSON.stringify(sampleExecution("stream", from + row, now))}\n`,
      ).join("");
    }
  };
  const started = performance.now();
  const status = await new Promise<number>((resolve, reject) => {
    const call = request(
      {
        port,
        host: "127.0.0.1",
        method: "POST",
        path: `/api/v1/executions?workspace_id=bench-2`,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/x-ndjson" },
      },
      (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    call.on("error", reject);
    Readable.from(lines()).pipe(call);
  });
  clearInterval(watch);
  if (status !== 207) throw new Error(`The stream was answered ${status}`);
  return { megabytes: peak - before, rowsPerSecond: rows / ((performance.now() - started) / 1000) };
}

/** Batches, singles and one long stream, each beside its reference. */
export async function intakeFigures(
  stage: Stage,
  runs: number,
  streamRows: number,
): Promise<Figure[]> {
  const now = Date.now();
  const [oursUrl, bareUrl] = [await stage.database("intake"), await stage.database("intake_bare")];
  for (const url of [oursUrl, bareUrl]) {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      `select ensure_execution_partition(now() - make_interval(days => d))
       from generate_series(-1, 62, 14) d`,
    );
    await client.end();
  }
  const [worker, reference] = [await stage.worker(oursUrl), await stage.reference(oursUrl)];
  const [batch, single]: Figure["runs"][] = [[], []];
  await batches(worker.port, stage.token, "warm", now);
  await bareInserts(bareUrl, "warm", now);
  for (let run = 0; run < runs; run++) {
    const bare = await bareInserts(bareUrl, `b${run}`, now);
    batch?.push({ ours: await batches(worker.port, stage.token, `b${run}`, now), reference: bare });
    const select = await load({
      port: reference.port,
      connections: 16,
      seconds: 4,
      expected: 200,
      request: () => requestBytes("GET", "/select", {}),
    });
    single?.push({
      ours: await singles(worker.port, stage.token, `s${run}`, now, 4),
      reference: select.requestsPerSecond,
    });
  }
  await reference.stop();
  await worker.stop();
  const fresh = await stage.worker(oursUrl);
  await load({
    port: fresh.port,
    connections: 1,
    requests: 20,
    expected: 200,
    request: () => requestBytes("GET", "/health", {}),
  });
  const streamed = await stream(fresh.port, stage.token, streamRows, now);
  await fresh.stop();
  return [
    {
      name: "batch intake, 500 a request, 4 clients",
      unit: "rows/s",
      runs: batch ?? [],
      reference: "multi-row INSERT, 4 connections",
      ratio: "ours/reference",
      target: { at: "least", value: 0.6 },
    },
    {
      name: "single intake, 16 clients",
      unit: "requests/s",
      runs: single ?? [],
      reference: "select 1, same driver and endpoint",
      ratio: "ours/reference",
      target: { at: "least", value: 0.4 },
    },
    {
      name: `NDJSON of ${streamRows.toLocaleString("en")} rows in one request (${Math.round(streamed.rowsPerSecond).toLocaleString("en")} rows/s): memory above start`,
      unit: "MB",
      runs: [{ ours: streamed.megabytes, reference: 128 }],
      reference: "128 MB",
      ratio: "ours/reference",
      target: { at: "most", value: 1 },
    },
  ];
}
