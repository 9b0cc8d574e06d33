import type { AnswerRecorder } from "./record-answers.ts";

const SOURCES = ["executions", "events", "agents", "users", "errors", "metrics"];
const FORMATS = ["csv", "ndjson", "json", "xlsx", "parquet"];
/** Formats that can be packed, and are so once. */
const PACKED = ["csv", "ndjson", "json"];
const QUERY = { measures: ["executions", "credits", "duration_p90"], group_by: ["agent", "model"] };

/** Exports beside one of each source in each format. */
const OTHERS = [
  {
    ...{ source: "executions", format: "csv", range: "last_full_month", neutralize: false },
    filters: [{ field: "status", op: "in", value: ["failure", "timeout"] }],
    columns: ["id", "started_at", "metadata.plan", "metadata.gen_ai\\.system", "credits"],
  },
  { source: "events", format: "json", timeframe: "7d", columns: ["id", "properties.amount"] },
  { source: "metrics", format: "xlsx", timeframe: "30d", query: { ...QUERY, granularity: "day" } },
  { source: "executions", format: "csv", timeframe: "7d", columns: ["nope"] },
  { source: "metrics", format: "csv", timeframe: "7d" },
  { source: "executions", format: "csv" },
];

interface SeenJob {
  status: string;
  files?: unknown[];
}

/** Whether a job, as its route shows it, does not go on. */
export const isSettled = ({ status }: SeenJob): boolean =>
  status !== "queued" && status !== "running";

const idOf = (data: unknown) => (data as { id?: string } | undefined)?.id;

async function exported(recorder: AnswerRecorder, path: string, body?: unknown) {
  const { json } = await recorder.ask({ method: "POST", path, body });
  const id = idOf(json?.data);
  if (id === undefined) return undefined;
  const { files = [] } = await recorder.lookUntil<SeenJob>(`exports/${id}`, isSettled);
  await recorder.ask({ path: `exports/${id}` });
  for (let n = 0; n < files.length; n++) await recorder.ask({ path: `exports/${id}/files/${n}` });
  return id;
}

/** A part, conditions, and what is not there, of a file. */
async function askFile(recorder: AnswerRecorder, path: string): Promise<void> {
  const { headers } = await recorder.ask({ method: "HEAD", path });
  const etag = headers.get("etag") ?? "";
  for (const asked of [
    ...[{ range: "bytes=0-99" }, { range: "bytes=-10" }, { range: "bytes=999999999-" }],
    ...[
      { "if-none-match": etag },
      { "if-none-match": "*" },
      { range: "bytes=5-9", "if-range": "x" },
    ],
  ])
    await recorder.ask({ path, headers: asked });
}

const pathOf = (answer: { json: { data?: unknown } | undefined }) => {
  const { url } = (answer.json?.data ?? {}) as { url?: string };
  return url === undefined ? "/none" : new URL(url).pathname;
};

async function askExportLinks(recorder: AnswerRecorder, id: string): Promise<void> {
  await recorder.ask({ path: `exports/${id}/manifest` });
  await askFile(recorder, `exports/${id}/files/0`);
  await recorder.ask({ path: `exports/${id}/files/7` });
  const path = `exports/${id}/links`;
  const link = await recorder.ask({ method: "POST", path, body: { expires_in_seconds: 3_600 } });
  await recorder.ask({ method: "POST", path, body: { file: 3 } });
  await recorder.ask({ method: "POST", path, body: { expires_in_seconds: 5 } });
  await recorder.ask({ path: pathOf(link), as: "nobody" });
  await askFile(recorder, pathOf(link));
  await recorder.ask({ path: "/api/v1/downloads/none", as: "nobody" });
}

/** Jobs that wait, which no request can make for certain: copies of one that is done. */
async function waitingCopy(recorder: AnswerRecorder, table: string, from: string): Promise<string> {
  const id = `waiting-${table}`;
  const { database } = recorder.instance;
  await database.query(`create temp table waiting as select * from ${table} where id = '${from}'`);
  await database.query(
    `update waiting set id = '${id}', status = 'queued', claim = null, finished_at = null,
       lease_until = now() + interval '1 minute'`,
  );
  await database.query(`insert into ${table} select * from waiting`);
  await database.query("drop table waiting");
  return id;
}

async function askExports(recorder: AnswerRecorder, template: string): Promise<string> {
  let first = "none";
  for (const source of SOURCES)
    for (const format of FORMATS) {
      const question = source === "metrics" ? { query: QUERY } : {};
      const body = { source, format, timeframe: "90d", ...question };
      const id = await exported(recorder, "exports", body);
      if (first === "none") first = id ?? first;
    }
  for (const format of PACKED)
    await exported(recorder, "exports", {
      ...{ source: "executions", format, gzip: true, timeframe: "30d" },
    });
  for (const body of OTHERS) await exported(recorder, "exports?workspace_id=north", body);
  await exported(recorder, `exports/templates/${template}/run`);
  await askExportLinks(recorder, first);
  const waiting = await waitingCopy(recorder, "exports", first);
  for (const path of [`exports/${waiting}`, `exports/${waiting}/manifest`])
    await recorder.ask({ path });
  for (const id of [waiting, waiting, first])
    await recorder.ask({ method: "POST", path: `exports/${id}/cancel` });
  await recorder.ask({ method: "DELETE", path: `exports/${waiting}` });
  await recorder.ask({ path: `exports/${waiting}` });
  return first;
}

async function askShares(recorder: AnswerRecorder, run: string): Promise<void> {
  const path = `reports/runs/${run}/share`;
  const open = await recorder.ask({ method: "POST", path, body: {} });
  const password = "correct horse";
  const shut = await recorder.ask({ method: "POST", path, body: { expires_in_days: 1, password } });
  await recorder.ask({ method: "POST", path, body: { password: "short" } });
  for (const method of ["GET", "HEAD"]) {
    await recorder.ask({ method, path: pathOf(open), as: "nobody" });
    await recorder.ask({ method, path: pathOf(shut), as: "nobody" });
  }
  await askFile(recorder, pathOf(open));
  for (const tried of [password, ...Array<string>(7).fill("wrong"), password]) {
    const body = { password: tried };
    await recorder.ask({ method: "POST", path: pathOf(shut), as: "nobody", body });
  }
  await recorder.ask({ path: `reports/runs/${run}/shares` });
  const share = idOf(open.json?.data) ?? "none";
  for (let times = 0; times < 2; times++)
    await recorder.ask({ method: "DELETE", path: `reports/runs/${run}/shares/${share}` });
  await recorder.ask({ path: pathOf(open), as: "nobody" });
}

/** Deliveries begin when a run is done; each has its first attempt before anything else happens. */
async function deliveriesTried(recorder: AnswerRecorder, run: string): Promise<void> {
  const path = `reports/runs/${run}/deliveries`;
  await recorder.lookUntil<{ status: string; attempts: number }[]>(path, (list) =>
    list.every(({ status, attempts }) => status !== "sending" && attempts > 0),
  );
  await recorder.ask({ path });
  const sent = (await recorder.look({ path: "/cdn-cgi/recorded/sent" })).text;
  const messages = (JSON.parse(sent) as { url: string }[]).sort((a, b) => (a.url < b.url ? -1 : 1));
  for (const message of messages)
    recorder.keep(`sent to ${message.url}`, "deliveries", 0, JSON.stringify(message));
}

async function askReports(recorder: AnswerRecorder, reports: readonly string[]): Promise<string> {
  let last = "none";
  for (const report of reports) {
    const { json } = await recorder.ask({ method: "POST", path: `reports/${report}/run` });
    last = idOf(json?.data) ?? last;
    await recorder.lookUntil(`reports/runs/${last}`, isSettled);
    await recorder.ask({ path: `reports/runs/${last}` });
    await recorder.ask({ path: `reports/runs/${last}/download` });
  }
  await deliveriesTried(recorder, last);
  await askFile(recorder, `reports/runs/${last}/download`);
  await askShares(recorder, last);
  const waiting = await waitingCopy(recorder, "report_runs", last);
  await recorder.ask({ path: `reports/runs/${waiting}/download` });
  await recorder.ask({ method: "POST", path: `reports/runs/${waiting}/share`, body: {} });
  for (const id of [waiting, waiting, last, "none"])
    await recorder.ask({ method: "POST", path: `reports/runs/${id}/cancel` });
  await recorder.ask({ path: "reports/webhook-secret" });
  return last;
}

/** A message that was given up, and is sent again. */
async function askDeadLetters(recorder: AnswerRecorder, run: string): Promise<void> {
  const bodies = [{ type: "export.run", workspaceId: "north", id: run }, { type: "none" }];
  for (const [n, body] of bodies.entries())
    await recorder.instance.database.query(
      `insert into dead_letters (id, workspace_id, type, body, reason, attempts, dead_at)
       values ($1, 'north', $2, $3, 'Given up', 6, now() - interval '1 minute' * $4)`,
      [`letter-${n}`, body.type, JSON.stringify(body), n],
    );
  await recorder.ask({ path: "jobs/dead-letters?limit=1&include_total=true" });
  for (const id of ["letter-1", "letter-0", "letter-0", "none"]) {
    await recorder.ask({ method: "POST", path: `jobs/dead-letters/${id}/replay` });
    await recorder.lookUntil(`exports/${run}`, isSettled);
  }
  await recorder.ask({ path: "jobs/dead-letters" });
}

/** Exports of every source in every format, reports in every format, and all that follows them. */
export async function askJobs(
  recorder: AnswerRecorder,
  { reports, exportTemplate }: { reports: readonly string[]; exportTemplate: string },
): Promise<{ exported: string; run: string }> {
  const exported = await askExports(recorder, exportTemplate);
  const run = await askReports(recorder, reports);
  await askDeadLetters(recorder, exported);
  return { exported, run };
}
