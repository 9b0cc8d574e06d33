import { beforeAll, describe, expect, it } from "vitest";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { realtimeMetrics } from "../../src/features/metrics/realtime.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { localDate, plusDays } from "../support/days.ts";
import { store } from "../support/store.ts";

const W = "zones";
/** Half an hour besides whole ones, so that nothing else gives the same digits. */
const ZONE = "Asia/Kolkata";
const FUNNEL = {
  steps: [
    { name: "a", kind: "execution" },
    { name: "b", kind: "execution" },
  ],
};
let api: ReturnType<typeof clientOf>;
let funnel: string;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  await store(
    executionIntake(ctx, W),
    ["a1", "a2", "a1", "a2"].map((agent_id, n) => ({
      ...{ id: `z${n}`, agent_id, user_id: "u1", status: n < 2 ? "failure" : "success" },
      ...(n < 2 ? { error: { type: "boom" } } : {}),
      started_at: new Date(Date.now() - 1000 * (n + 1)).toISOString(),
      credits: "1",
    })),
  );
  api = clientOf(await tokenFor(W));
  funnel = (await api.post("/api/v1/funnels", { name: "f", definition: FUNNEL })).body.data.id;
});

const change = (timezone: string | null) =>
  api.patch(`/api/v1/workspaces/${W}/settings`, { timezone });

/** Every GET that takes a zone, by the document that the Worker answers. */
async function zonedPaths(): Promise<string[]> {
  const { body } = await api.get("/openapi.json");
  const error = (await api.get("/api/v1/errors?timeframe=7d")).body.data[0].id;
  const ids: Record<string, string> = {
    ...{ "/users/{id}": "u1", "/errors/{id}": error, "/funnels/{id}/journeys": funnel },
    ...{ "/workspaces/{id}": W, "/trends/{measure}": "executions" },
  };
  const more: Record<string, string> = {
    "/metrics/breakdown": "group_by=agent",
    "/credits/breakdown": "by=model",
    "/funnels/{id}/journeys": "step=1",
    "/leaderboards/agents/{id}/rank": "criteria=runs",
  };
  const found: string[] = [];
  for (const [path, { get }] of Object.entries<{
    get?: { parameters?: { name: string }[] };
  }>(body.paths)) {
    const names = (get?.parameters ?? []).map(({ name }) => name);
    if (!names.includes("timezone")) continue;
    const short = path.replace("/api/v1", "");
    const key = Object.keys(ids).find((each) => short.startsWith(each));
    const filled = path.replace(/\{\w+\}/, ids[key ?? ""] ?? "a1");
    const query = [names.includes("timeframe") ? "timeframe=7d" : "", more[short] ?? ""];
    found.push(`${filled}?${query.filter(Boolean).join("&")}`);
  }
  return found;
}

describe("a question without a zone is asked in that of its workspace", () => {
  it("in every view that takes one, at once after a change of the setting", async () => {
    const paths = await zonedPaths();
    expect(paths.length).toBeGreaterThan(30);
    for (const [setting, expected] of [
      [null, "UTC"],
      [ZONE, ZONE],
      ["America/New_York", "America/New_York"],
      [null, "UTC"],
    ] as const) {
      expect((await change(setting)).status).toBe(200);
      for (const path of paths) {
        const { status, body } = await api.get(path);
        // A ranking leaves out agents with few runs.
        if (path.includes("/rank?")) expect([200, 404]).toContain(status);
        else expect([path, status, body.meta?.timezone]).toEqual([path, 200, expected]);
      }
    }
  });

  it("unless it names one", async () => {
    await change(ZONE);
    const { body } = await api.get("/api/v1/metrics/summary?timeframe=7d&timezone=Asia/Tokyo");
    expect(body.meta.timezone).toBe("Asia/Tokyo");
    const wrong = await api.get("/api/v1/metrics/summary?timeframe=7d&timezone=Mars/Base");
    expect([wrong.status, wrong.body.code]).toEqual([422, "unknown_timezone"]);
  });

  it("in questions of a body", async () => {
    await change(ZONE);
    const period = { from: "2026-05-01T00:00:00Z", to: "2026-05-02T00:00:00Z" };
    const bodies: [string, object][] = [
      ["/metrics/query", { measures: ["executions"], timeframe: "7d" }],
      ["/comparisons/agents", { agent_ids: ["a1", "a2"] }],
      ["/comparisons/periods", { a: period, b: period }],
      ["/comparisons/metrics", { measure: "executions" }],
      ["/funnels/analyze", { definition: FUNNEL, timeframe: "7d" }],
      [`/funnels/${funnel}/analyze`, { timeframe: "7d" }],
    ];
    for (const [path, body] of bodies) {
      const answer = await api.post(`/api/v1${path}`, body);
      expect([path, answer.status, answer.body.meta?.timezone]).toEqual([path, 200, ZONE]);
    }
    const two = clientOf(await tokenFor(W, { workspaces: [W, "zones-2"] }));
    const compared = await two.post("/api/v1/comparisons/workspaces", {
      workspace_ids: [W, "zones-2"],
    });
    expect(compared.body.meta.timezone).toBe(ZONE);
    const rows = await api.post("/api/v1/metrics/query", {
      ...{ measures: ["executions"], timeframe: "24h", granularity: "day" },
    });
    expect(rows.body.data.rows[0].bucket).toContain("T00:00:00+05:30");
  });

  it("in exports, reports and schedules", async () => {
    await change(ZONE);
    const ask = async (path: string, body: object) => {
      const answer = await api.post(`/api/v1${path}`, body);
      expect([path, answer.status, answer.body.errors]).toEqual([
        path,
        expect.toBeOneOf([201, 202]),
        undefined,
      ]);
      return answer.body.data;
    };
    const wanted = { source: "executions", format: "csv", range: "this_day" };
    const job = await ask("/exports", wanted);
    expect(job.request.timezone).toBe(ZONE);
    // Midnight in India is half past six in the evening of UTC.
    expect(job.request.from.slice(11, 16)).toBe("18:30");
    const template = await ask("/exports/templates", { name: "t", request: wanted });
    const at = { name: "s", recurrence: { frequency: "daily", time: "06:00" } };
    const schedule = await ask("/exports/schedules", { ...at, template_id: template.id });
    expect([schedule.timezone, schedule.next_run_at.slice(11, 16)]).toEqual([ZONE, "00:30"]);
    const sections = [{ type: "metrics", title: "M", measures: ["executions"] }];
    const report = await ask("/reports", {
      ...{ name: "r", sections, format: "json", range: "this_week" },
    });
    expect(report.timezone).toBe(ZONE);
    const weekly = await ask("/reports/schedules", { ...at, report_id: report.id });
    expect(weekly.timezone).toBe(ZONE);
  });

  it("where credits burn and budgets are used: of the same days", async () => {
    await change(ZONE);
    await api.send("/api/v1/credits/budgets", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ budgets: [{ period: "day", credits: "100" }] }),
    });
    const { data: burn } = (await api.get("/api/v1/credits/burn")).body;
    const { data: used } = (await api.get("/api/v1/credits/budgets")).body;
    expect([burn.today.from, burn.today.credits]).toEqual([
      used.budgets[0].from,
      used.budgets[0].spent,
    ]);
    const today = localDate(new Date().toISOString(), ZONE);
    expect(burn.days.map(({ day }: { day: string }) => day)).toEqual(
      Array.from({ length: 31 }, (_, n) => plusDays(today, n - 30)),
    );
  });

  it("in a search, which takes none", async () => {
    await change(ZONE);
    const { body } = await api.get("/api/v1/search?q=a1");
    expect([body.data.total, body.meta.timezone]).toEqual([1, ZONE]);
  });

  it("and what runs now, in the API and on the feed", async () => {
    await change(ZONE);
    const { body } = await api.get("/api/v1/metrics/realtime", { "cache-control": "no-cache" });
    expect(body.meta.timezone).toBe(ZONE);
    const { data } = await realtimeMetrics(testContext().db, W, Date.now());
    for (const { bucket } of data.minutes as { bucket: string }[])
      expect(bucket).toMatch(/\+05:30$/);
  });
});
