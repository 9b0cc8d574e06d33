import { gzipSync } from "node:zlib";
import type { AnswerRecorder, RecordedRequest } from "./record-answers.ts";
import type { RecordedSubjects } from "./record-reads.ts";

type Send = (method: string, path: string, body?: unknown) => Promise<string>;

const sender =
  (recorder: AnswerRecorder): Send =>
  async (method, path, body) => {
    const { json } = await recorder.ask({ method, path, body });
    const { id } = (json?.data ?? {}) as { id?: string };
    return id ?? "none";
  };

const steps = [
  { name: "Came", kind: "event", event_type: "page_view" },
  { name: "Made", kind: "event", event_type: "project_created" },
  { name: "Ran", kind: "execution", filters: [{ field: "status", op: "eq", value: "success" }] },
];
const DEFINITIONS = [
  { steps },
  { steps: steps.slice(0, 2), order: "any", window_seconds: 86_400 },
  {
    steps,
    order: "strict",
    window_seconds: 366 * 86_400,
    same_instant: "does_not",
    exclusions: [{ kind: "event", event_type: "invite_sent", from_step: 1, to_step: 2 }],
  },
  { steps, order: "contiguous" },
];

async function makeFunnels(recorder: AnswerRecorder, send: Send): Promise<string[]> {
  const ids: string[] = [];
  for (const [n, definition] of DEFINITIONS.entries())
    ids.push(await send("POST", "funnels", { name: `Funnel ${n} 漏斗`, definition }));
  const [first = "", second = "", , last = ""] = ids;
  const description = "Replaced";
  await send("PUT", `funnels/${second}`, { name: "Any", description, definition: DEFINITIONS[1] });
  for (const id of ids)
    for (const asked of [
      { timeframe: "90d" },
      { timeframe: "30d", breakdown: "properties.plan", granularity: "week" },
      { from: "2031-03-01T00:00:00Z", to: "2031-04-01T00:00:00Z", timezone: "Asia/Kolkata" },
    ])
      await recorder.ask({ method: "POST", path: `funnels/${id}/analyze`, body: asked });
  for (const definition of DEFINITIONS)
    await send("POST", "funnels/analyze?workspace_id=south", { definition, timeframe: "90d" });
  for (const outcome of ["reached", "converted", "dropped", "in_progress"])
    for (const step of [1, 2, 3])
      await recorder.ask({
        path: `funnels/${first}/journeys?timeframe=90d&limit=5&step=${step}&outcome=${outcome}`,
      });
  await send("DELETE", `funnels/${last}`);
  await send("DELETE", `funnels/${last}`);
  return [first, second];
}

async function decideErrors(recorder: AnswerRecorder, send: Send): Promise<string[]> {
  const { json } = await recorder.ask({ path: "errors?timeframe=90d&limit=12" });
  const ids = ((json?.data ?? []) as { id: string }[]).map(({ id }) => id);
  const [first = "", second = "", third = ""] = ids;
  await send("POST", `errors/${first}/resolve`, { note: "Mended in 1.3" });
  await send("POST", `errors/${second}/ignore`, {});
  await send("POST", `errors/${third}/ignore`, { note: null });
  await send("POST", `errors/${third}/reopen`, { note: "Not at all" });
  return [second, first, third];
}

const COMPARED: [path: string, body: unknown][] = [
  ["agents", { timeframe: "30d", agent_ids: ["writer", "reviewer", "調査員"] }],
  ["agents", { timeframe: "7d", agent_ids: ["writer", "nobody"] }],
  ["agents", { timeframe: "7d", agent_ids: ["writer", "writer"] }],
  ["workspaces", { timeframe: "30d", workspace_ids: ["north", "south", "island"] }],
  ["workspaces", { timeframe: "30d", workspace_ids: ["north", "elsewhere"] }],
  [
    "periods",
    {
      a: { from: "2031-03-01T00:00:00Z", to: "2031-03-08T00:00:00Z" },
      b: { from: "2031-03-31T00:00:00Z", to: "2031-04-07T00:00:00Z" },
    },
  ],
  [
    "periods",
    {
      a: { from: "2031-03-01T00:00:00-05:00", to: "2031-04-01T00:00:00-04:00" },
      b: { from: "2031-02-01T00:00:00-05:00", to: "2031-03-01T00:00:00-05:00" },
      timezone: "America/New_York",
      agent_id: "reviewer",
    },
  ],
  ...["executions", "success_rate", "duration_p95", "credits"].flatMap((measure) =>
    ["agent", "user", "model", "environment", "version"].map((by): [string, unknown] => [
      "metrics",
      { timeframe: "30d", measure, by, limit: 5 },
    ]),
  ),
];

const EXECUTION = {
  agent_id: "writer",
  user_id: "ada",
  status: "running",
  started_at: "2031-04-03T13:00:00Z",
};
const EVENT = {
  ...{ id: "late", event_type: "signup", user_id: "ada", properties: { a: 1 } },
  occurred_at: "2031-04-03T12:00:00Z",
};
const NDJSON = { "content-type": "application/x-ndjson" };

/** One execution's life, and what intake says of what it does not take. */
function intakeRequests(): RecordedRequest[] {
  const post = (path: string, body: unknown, headers = {}): RecordedRequest => ({
    ...{ method: "POST", path, body, headers },
  });
  const patch = (body: unknown): RecordedRequest => ({
    ...{ method: "PATCH", path: "executions/life", body },
  });
  const life = { ...EXECUTION, id: "life" };
  const end = { ...life, status: "success", ended_at: "2031-04-03T13:00:02.5Z", credits: "1e-6" };
  // Ids that the Worker makes are of a workspace whose files are not compared byte for byte.
  const made = "executions?workspace_id=island";
  const unnamed = { agent_id: "writer", status: "success" };
  const lines = [life, { ...end, credits: "0.000001" }, unnamed]
    .map((line) => JSON.stringify(line))
    .join("\n");
  return [
    ...[post("executions", life), post("executions", life), post("executions", end)],
    post("executions", { ...end, credits: "0.000001", metadata: { big: 1, z: [] } }),
    post("executions", { ...end, agent_id: "reviewer" }),
    post(
      "executions",
      Buffer.from(`{"id":"exact","agent_id":"a","status":"success",
      "metadata":{"n":1546130668394913822,"f":1.50e3,"m":-0}}`),
      {
        "content-type": "application/json",
      },
    ),
    { path: "executions/exact" },
    ...[patch({ credits: "2" }), patch({ credits: "3", user_id: null }), patch({})],
    ...[patch({ status: "nope" }), patch({ agent_id: "ольга", metadata: { a: null } })],
    { path: "executions/life" },
    post("executions", [life, { ...life, id: "life-2" }, { id: "" }, 5, null]),
    post(made, [unnamed, unnamed], { "idempotency-key": "once" }),
    post(made, [unnamed, unnamed], { "idempotency-key": "once" }),
    post("executions", Array(1_001).fill(life)),
    post(made, Buffer.from(`${lines}\n{"id":\n\n[]\n"x"`), NDJSON),
    post(made, gzipSync(lines), { ...NDJSON, "content-encoding": "gzip" }),
    post("executions", Buffer.from("no gzip"), { ...NDJSON, "content-encoding": "gzip" }),
    post("executions", Buffer.from(lines), { "content-type": "text/plain" }),
    post("executions", Buffer.from('{"id":"a","id":"b"}'), { "content-type": "application/json" }),
    ...[post("events", EVENT), post("events", EVENT), post("events", { ...EVENT, user_id: "x" })],
    post("events", [{ ...EVENT, id: "later" }, { event_type: "" }]),
    post("events", { event_type: "signup", user_id: "ada", id: "timeless" }),
    post("events", Buffer.from('{"event_type":"x"}\n{}'), NDJSON),
    { method: "PATCH", path: "executions/_?id=life-2", body: { status: "cancelled" } },
  ];
}

const REPORT_SECTIONS = (funnel: string) => [
  {
    type: "text",
    title: "About",
    text: "{{workspace}}: {{executions}} from {{from}} to {{to}}.\n\nÜ",
  },
  { type: "metrics", title: "Figures", measures: ["executions", "success_rate", "duration_p95"] },
  ...["line", "area", "bar", "heatmap"].map((chart) => ({
    ...{ type: "chart", title: `As ${chart}`, chart, measure: "executions" },
    ...(chart === "heatmap" ? {} : { group_by: "model" }),
  })),
  {
    type: "table",
    title: "表",
    measures: ["executions", "credits"],
    group_by: ["agent", "status"],
  },
  { type: "leaderboard", title: "Best", by: "user", measure: "credits", limit: 5 },
  { type: "funnel", title: "Way", funnel_id: funnel },
  { type: "retention", title: "Who stays", granularity: "week", mode: "rolling" },
];
const RECIPIENTS = [
  { method: "webhook", url: "https://hooks.example.com/in/secret-part?key=1" },
  { method: "slack", url: "https://hooks.slack.com/services/refuse/T0" },
  { method: "email", to: ["ada@example.com", "grace@example.com"] },
];
const EXPORT = { source: "executions", format: "csv" };

/** The objects that were made, for those who go on with them. */
export interface RecordedThings {
  subjects: RecordedSubjects;
  reports: string[];
  exportTemplate: string;
}

async function makeReports(send: Send, funnel: string): Promise<string[]> {
  const sections = REPORT_SECTIONS(funnel);
  const template = await send("POST", "reports/templates", { name: "Ours", sections });
  const ids: string[] = [];
  // The first is replaced below.
  for (const format of ["pdf", "pdf", "html", "xlsx", "csv", "json"])
    ids.push(
      await send("POST", "reports", {
        ...{
          name: `Report as ${format} 報告 <b>`,
          format,
          template_id: template,
          range: "last_full_month",
        },
        ...(format === "json" ? { recipients: RECIPIENTS } : {}),
        ...(format === "html" ? { timezone: "Asia/Kolkata" } : {}),
      }),
    );
  const [pdf = ""] = ids;
  const filters = [{ field: "agent", op: "ne", value: "clerk" }];
  const changed = {
    name: "Summary",
    template_id: "executive-summary",
    format: "pdf",
    timeframe: "7d",
  };
  await send("PUT", `reports/${pdf}`, { ...changed, filters, description: "Weekly" });
  await send("POST", "reports", {
    ...changed,
    recipients: [{ method: "webhook", url: "http://x" }],
  });
  await send("POST", "reports", { ...changed, template_id: "none" });
  const recurrence = { frequency: "weekly", time: "02:30", day_of_week: 7 };
  const schedule = { name: "Sundays", report_id: pdf, recurrence, timezone: "Europe/Berlin" };
  const made = await send("POST", "reports/schedules", schedule);
  await send("PUT", `reports/schedules/${made}`, {
    ...schedule,
    recurrence: { cron: "0 5 * * *" },
  });
  const other = await send("POST", "reports/schedules", { ...schedule, enabled: false });
  await send("DELETE", `reports/schedules/${other}`);
  await send("DELETE", "reports/templates/none");
  return ids;
}

async function makeExportTemplate(send: Send): Promise<string> {
  const request = { ...EXPORT, columns: ["id", "metadata.plan"], range: "last_full_week" };
  const id = await send("POST", "exports/templates", { name: "Last week", request });
  const other = await send("POST", "exports/templates", {
    name: "Other",
    request: { ...EXPORT, timeframe: "7d" },
  });
  const recurrence = { frequency: "daily", time: "06:00" };
  const schedule = { name: "Daily", template_id: id, recurrence };
  const made = await send("POST", "exports/schedules", schedule);
  const monthly = { frequency: "monthly", time: "23:59", day_of_month: 31 };
  await send("PUT", `exports/schedules/${made}`, { ...schedule, recurrence: monthly });
  await send("POST", "exports/schedules", schedule);
  const third = await send("POST", "exports/schedules", { ...schedule, enabled: false });
  await send("DELETE", `exports/schedules/${third}`);
  await send("DELETE", `exports/templates/${other}`);
  return id;
}

/** Makes something of every kind, changes and deletes some of it. @returns the ids that are there */
export async function makeChanges(recorder: AnswerRecorder): Promise<RecordedThings> {
  const send = sender(recorder);
  for (const request of intakeRequests()) await recorder.ask(request);
  await send("PATCH", "agents/writer", { name: "The writer", labels: ["core", "текст"] });
  await send("PATCH", "agents/_?id=..&workspace_id=south", { labels: ["core"] });
  await send("PATCH", "agents/writer", { colour: "red" });
  const budgets = ["day", "week", "month"].map((period, n) => ({ period, credits: 10 ** n * 7.5 }));
  await send("PUT", "credits/budgets", { budgets });
  await send("PUT", "credits/budgets?workspace_id=south", { budgets: budgets.slice(2) });
  await send("PATCH", "workspaces/south/settings", { name: "दक्षिण", retention_days: 900 });
  await send("PATCH", "workspaces/south/settings", { timezone: "Nowhere/Zone" });
  for (const [path, body] of COMPARED) await send("POST", `comparisons/${path}`, body);
  const funnels = await makeFunnels(recorder, send);
  const errors = await decideErrors(recorder, send);
  const reports = await makeReports(send, funnels[0] ?? "");
  const exportTemplate = await makeExportTemplate(send);
  return {
    reports,
    exportTemplate,
    subjects: {
      "/api/v1/funnels": funnels,
      "/api/v1/errors": errors,
      "/api/v1/reports": reports.slice(0, 2),
      "/api/v1/exports/templates": [exportTemplate],
    },
  };
}
