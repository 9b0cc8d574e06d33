import { exports } from "cloudflare:workers";
import { expect } from "vitest";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runReport } from "../../src/features/reports/runs/run.ts";
import { clientOf, tokenFor } from "./client.ts";
import { queuesTo, testContext } from "./context.ts";
import { useOwnDatabase } from "./database.ts";
import { store } from "./store.ts";

await useOwnDatabase();
export const [WORKSPACE, OTHER, EMPTY] = ["reports", "reports-other", "reports-empty"];
export const ctx = testContext({ queues: queuesTo() });
export const client = clientOf(await tokenFor(WORKSPACE));
export const stranger = clientOf(await tokenFor(OTHER));
export const FROM = "2026-03-02T00:00:00.000Z";
export const TO = "2026-03-09T00:00:00.000Z";
export const at = (minute: number) => new Date(Date.parse(FROM) + minute * 60_000).toISOString();
export const EVIL = '<script>alert("x")</script>';
export async function fillReports(): Promise<void> {
  const runs = Array.from({ length: 900 }, (_, i) => ({
    id: `x${i}`,
    agent_id: `agent-${i % 7}`,
    user_id: `user-${i % 13}`,
    status: i % 9 === 0 ? "failure" : "success",
    started_at: at(i * 11),
    duration_ms: 100 + ((i * 37) % 5000),
    credits: `${i % 10}.25`,
    tokens_in: i,
    model: i % 2 ? "model=a" : EVIL,
    ...(i % 9 === 0 ? { error: { type: i % 2 ? "Broken" : "=1+1", message: "m" } } : {}),
  }));
  await store(executionIntake(ctx, WORKSPACE), runs);
}

export const SECTIONS = [
  {
    type: "text",
    text: `{{executions}} runs for {{credits}} credits, {{success_rate}}.\n\nSecond ${EVIL}`,
  },
  {
    type: "metrics",
    title: "At a glance",
    measures: ["executions", "success_rate", "credits", "duration_p95", "active_users"],
  },
  { type: "chart", title: "Days", chart: "line", measure: "executions" },
  { type: "chart", title: "By agent", chart: "area", measure: "credits", group_by: "agent" },
  { type: "chart", title: "Bars", chart: "bar", measure: "executions", group_by: "model" },
  { type: "chart", title: "Week", chart: "heatmap", measure: "executions" },
  {
    type: "table",
    title: "Models & errors",
    measures: ["executions", "credits"],
    group_by: ["model", "error_type"],
  },
  { type: "leaderboard", title: "Agents", by: "agent", measure: "credits", limit: 3 },
  { type: "retention", title: "Came back", granularity: "day", mode: "rolling" },
];

export const DEFINITION = {
  name: "Weekly",
  format: "json",
  sections: SECTIONS,
  from: FROM,
  to: TO,
  timezone: "Asia/Kolkata",
};

export async function made(
  change: Record<string, unknown> = {},
  by = client,
  workspace = WORKSPACE,
) {
  const report = await by.post("/api/v1/reports", { ...DEFINITION, ...change });
  expect([report.status, report.body.errors]).toEqual([201, undefined]);
  const run = await by.post(`/api/v1/reports/${report.body.data.id}/run`, {});
  expect(run.status).toBe(202);
  expect(run.headers.get("location")).toBe(`/api/v1/reports/runs/${run.body.data.id}`);
  await runReport(ctx, { workspaceId: workspace, id: run.body.data.id });
  const { data } = (await by.get(`/api/v1/reports/runs/${run.body.data.id}`)).body;
  expect(data).toMatchObject({ status: "done", progress: 100, section: null, error: null });
  return data;
}

export const bytesOf = async ({ id }: { id: string }, workspace = WORKSPACE) => {
  const object = await ctx.files.get(`reports/${workspace}/${id}`);
  return new Uint8Array((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
};

// biome-ignore lint/suspicious/noExplicitAny: a document is read field by field
export const documentOf = async (run: { id: string }, workspace = WORKSPACE): Promise<any> =>
  JSON.parse(new TextDecoder().decode(await bytesOf(run, workspace)));

export const raw = (path: string, init: RequestInit = {}) =>
  exports.default.fetch(
    new Request(path.startsWith("http") ? path : `https://shadower.test${path}`, init),
  );
