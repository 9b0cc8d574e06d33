import { beforeAll, describe, expect, it } from "vitest";
import { MEASURE_NAMES } from "../../../src/analytics/catalog/measures.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { useOwnDatabase } from "../../support/database.ts";

const W = "metrics";
let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor(W));
  const executions = Array.from({ length: 300 }, (_, n) => ({
    ...{
      id: `m${n}`,
      agent_id: `a${n % 4}`,
      user_id: `u${n % 7}`,
      status: n % 10 ? "success" : "failure",
      credits: "0.100000",
      tokens_in: n,
      model: n % 2 ? "m1" : undefined,
    },
    ...{
      started_at: new Date(Date.UTC(2026, 9, 1) + n * 600_000).toISOString(),
      duration_ms: n * 10,
    },
  }));
  expect((await api.post("/api/v1/executions", { executions })).body.data.counts.created).toBe(300);
});
const RANGE = "from=2026-10-01T00:00:00Z&to=2026-10-03T12:00:00Z";

describe("the routes", () => {
  it("give a summary in its shape, with the meta that every number has", async () => {
    const { status, body } = await api.get(`/api/v1/metrics/summary?${RANGE}`);
    expect(status).toBe(200);
    expect(body.data).toEqual({
      ...{
        executions: 300,
        successes: 270,
        failures: 30,
        timeouts: 0,
        cancellations: 0,
        running: 0,
        success_rate: 0.9,
        failure_rate: 0.1,
      },
      duration_ms: {
        avg: 1495,
        min: 0,
        max: 2990,
        p50: 1490,
        p75: 2240,
        p90: 2690,
        p95: 2840,
        p99: 2960,
      },
      ...{
        credits: "30.000000",
        tokens_in: 44_850,
        tokens_out: 0,
        active_users: 7,
        active_agents: 4,
      },
    });
    expect(Object.keys(body.meta)).toEqual([
      "from",
      "to",
      "timezone",
      "as_of",
      "complete_until",
      "sources",
      "exact",
      "relative_error",
      "cached",
      "age_ms",
    ]);
    expect(body.meta).toMatchObject({
      from: "2026-10-01T00:00:00+00:00",
      timezone: "UTC",
      sources: { raw: { rows: 300 } },
    });
    const narrowed = await api.get(
      `/api/v1/metrics/summary?${RANGE}&agent_id=a1&user_id=u1&status=success&model=m1`,
    );
    expect(narrowed.body.data.executions).toBe(
      Array.from({ length: 300 }, (_, n) => n).filter(
        (n) => n % 4 === 1 && n % 7 === 1 && n % 10 && n % 2,
      ).length,
    );
  });

  it("give series, breakdown and comparison of the same digits as the query", async () => {
    const query = {
      measures: ["executions", "credits"],
      from: "2026-10-01T00:00:00Z",
      to: "2026-10-03T12:00:00Z",
      granularity: "day",
      timezone: "Asia/Kolkata",
    };
    const [series, asked] = [
      await api.get(
        `/api/v1/metrics/series?${RANGE}&measures=executions,credits&timezone=Asia/Kolkata`,
      ),
      await api.post("/api/v1/metrics/query", query),
    ];
    expect(series.body.data).toEqual(asked.body.data);
    expect(series.body.data.rows.map((row: { bucket: string }) => row.bucket)).toEqual([
      "2026-10-01T00:00:00+05:30",
      "2026-10-02T00:00:00+05:30",
      "2026-10-03T00:00:00+05:30",
    ]);
    const breakdown = await api.get(
      `/api/v1/metrics/breakdown?${RANGE}&group_by=agent&measures=executions&limit=2`,
    );
    expect(breakdown.body.data).toEqual({
      rows: [
        { agent: "a0", executions: 75 },
        { agent: "a1", executions: 75 },
        { agent: null, other: true, executions: 150 },
      ],
      totals: { executions: 300 },
    });
    const comparison = await api.get(
      "/api/v1/metrics/comparison?from=2026-10-02T00:00:00Z&to=2026-10-03T00:00:00Z&measures=executions,credits,success_rate",
    );
    expect(comparison.body.data).toEqual({
      current: { executions: 144, credits: "14.400000", success_rate: 130 / 144 },
      previous: { executions: 144, credits: "14.400000", success_rate: 129 / 144 },
      changes: {
        executions: { previous: 144, change: 0, change_ratio: 0, direction: "flat" },
        credits: { previous: "14.400000", change: "0.000000", change_ratio: 0, direction: "flat" },
        success_rate: {
          previous: 129 / 144,
          change: 130 / 144 - 129 / 144,
          change_ratio: (130 / 144 - 129 / 144) / (129 / 144),
          direction: "up",
        },
      },
    });
    expect(comparison.body.meta.compared).toEqual({
      from: "2026-10-01T00:00:00+00:00",
      to: "2026-10-02T00:00:00+00:00",
    });
  });

  it("list every measure with its unit and its value of nothing", async () => {
    const { body } = await api.get("/api/v1/metrics/catalog");
    expect(body.data.measures.map((measure: { name: string }) => measure.name)).toEqual(
      MEASURE_NAMES,
    );
    for (const measure of body.data.measures)
      expect(measure).toMatchObject({
        unit: expect.any(String),
        additive: expect.any(Boolean),
        description: expect.any(String),
      });
  });

  it("show what runs now", async () => {
    const other = clientOf(await tokenFor("metrics-now"));
    const minute = new Date(Math.floor(Date.now() / 60_000) * 60_000 - 90_000).toISOString();
    const items = ["success", "failure", "running"].map((status, n) => ({
      id: `now${n}`,
      agent_id: "a",
      user_id: "u",
      status,
      started_at: minute,
      credits: "1.5",
    }));
    await other.post("/api/v1/executions", {
      executions: [...items, { ...items[2], id: "old", started_at: "2026-01-01T00:00:00Z" }],
    });
    const { body } = await other.get("/api/v1/metrics/realtime");
    expect(body.data.running).toBe(2);
    expect(body.data.per_minute).toEqual({
      executions: 0.6,
      successes: 0.2,
      failures: 0.2,
      credits: "0.900000",
    });
    expect(body.data.minutes).toHaveLength(60);
    expect(
      body.data.minutes.filter((each: { executions: number }) => each.executions === 3),
    ).toHaveLength(1);
  });

  it.each([
    ["summary", "", 422, "from"],
    ["summary", "timeframe=7d&from=2026-10-01T00:00:00Z", 422, "timeframe"],
    ["summary", "from=2026-10-02T00:00:00Z&to=2026-10-01T00:00:00Z", 422, "to"],
    ["summary", "timeframe=2d", 400, "query.timeframe"],
    ["summary", "timeframe=7d&timezone=Mars/Olympus", 422, "timezone"],
    ["summary", "timeframe=7d&timezone=%2B05:30", 422, "timezone"],
    ["summary", "timeframe=7d&colour=red", 400, "query.colour"],
    ["summary", "from=2026-10-01&to=2026-10-02", 400, "query.from"],
    ["series", "timeframe=1y&granularity=minute", 422, "granularity"],
    ["series", "timeframe=7d&measures=executions,profit", 400, "query.measures.1"],
    ["breakdown", "timeframe=7d", 400, "query.group_by"],
    ["breakdown", "timeframe=7d&group_by=colour", 422, "group_by"],
    ["breakdown", "timeframe=7d&group_by=duration_ms", 422, "group_by"],
    ["breakdown", "timeframe=7d&group_by=agent&limit=1001", 400, "query.limit"],
  ])("refuse %s?%s with %i and the path", async (route, query, status, path) => {
    const answer = await api.get(`/api/v1/metrics/${route}?${query}`);
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([status, path]);
    expect(answer.body.request_id).toBe(answer.headers.get("x-request-id"));
  });

  it.each([
    [{ measures: [], timeframe: "7d" }, 400, "json.measures"],
    [{ measures: ["executions"], timeframe: "7d", colour: 1 }, 400, "json.colour"],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "status", op: "like", value: "x" }],
      },
      400,
      "json.filters.0.op",
    ],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "colour", op: "eq", value: "x" }],
      },
      422,
      "filters.0.field",
    ],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "duration_ms", op: "gt", value: "long" }],
      },
      422,
      "filters.0.value",
    ],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "status", op: "in", value: "x" }],
      },
      422,
      "filters.0.value",
    ],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "metadata.n", op: "contains", value: 5 }],
      },
      422,
      "filters.0.value",
    ],
    [{ measures: ["executions"], timeframe: "7d", limit: 2 }, 422, "limit"],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        granularity: "hour",
        group_by: ["agent"],
        limit: 1000,
      },
      422,
      "limit",
    ],
    [
      {
        measures: ["executions"],
        from: "2024-06-01T00:00:00Z",
        to: "2026-06-01T00:00:00Z",
        compare: "previous_year",
      },
      422,
      "compare",
    ],
    [
      {
        measures: ["executions"],
        timeframe: "7d",
        filters: [{ field: "agent", op: "eq", value: "a\u0000" }],
      },
      400,
      "json.filters.0.value",
    ],
  ])("refuse the query %j with %i", async (body, status, path) => {
    const answer = await api.post("/api/v1/metrics/query", body);
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([status, path]);
  });
});

describe("the cache", () => {
  it("says what it gave, keeps questions and workspaces apart, and forgets at a write", async () => {
    const path = "/api/v1/metrics/summary?timeframe=30d";
    const mine = clientOf(await tokenFor("cache-a"));
    const first = await mine.get(path);
    expect(first.body.meta).toMatchObject({ cached: false, age_ms: 0 });
    const second = await mine.get(path);
    expect(second.body.meta.cached).toBe(true);
    expect(second.body.meta.age_ms).toBeGreaterThanOrEqual(0);
    expect(second.body.meta.as_of).toBe(first.body.meta.as_of);
    expect((await mine.get(path, { "cache-control": "no-cache" })).body.meta.cached).toBe(false);
    expect((await mine.get(`${path}&timezone=Europe/Berlin`)).body.meta.cached).toBe(false);
    expect((await clientOf(await tokenFor("cache-b")).get(path)).body.meta.cached).toBe(false);
    await mine.post("/api/v1/executions", { agent_id: "a", user_id: "u", status: "success" });
    const after = await mine.get(path);
    expect([after.body.meta.cached, after.body.data.executions]).toEqual([false, 1]);
  });

  it("stands behind authentication", async () => {
    const path = "/api/v1/metrics/summary?timeframe=30d&workspace_id=cache-c";
    expect((await clientOf(await tokenFor("cache-c")).get(path)).status).toBe(200);
    expect((await clientOf(await tokenFor("cache-d")).get(path)).status).toBe(403);
    expect((await clientOf("nonsense").get(path)).status).toBe(401);
  });
});

describe("the Worker", () => {
  it("describes every route in a valid OpenAPI document, and answers as described", async () => {
    const { body, headers, status } = await api.get("/openapi.json");
    expect(body.servers).toEqual([{ url: "https://analytics.example.com" }]);
    expect(status).toBe(200);
    const known = [
      "/",
      "/health",
      "/ready",
      "/api/v1/realtime",
      "/api/v1/executions",
      "/api/v1/events",
      "/api/v1/metrics/query",
      "/api/v1/metrics/catalog",
    ];
    expect(Object.keys(body.paths)).toEqual(expect.arrayContaining(known));
    for (const [path, methods] of Object.entries<
      Record<string, { responses: Record<string, unknown>; security?: unknown[] }>
    >(body.paths)) {
      for (const [method, { responses, security }] of Object.entries(methods)) {
        const open = security !== undefined && security.length === 0;
        const answer = await clientOf("").send(path.replace("{id}", "x"), {
          method: method.toUpperCase(),
          headers: { authorization: "" },
        });
        expect([method, path, Object.keys(responses)]).toEqual([
          method,
          path,
          expect.arrayContaining([String(answer.status)]),
        ]);
        if (!open) expect(answer.status).toBe(401);
      }
    }
    expect(
      (await api.get("/openapi.json", { "if-none-match": headers.get("etag") ?? "" })).status,
    ).toBe(304);
  });

  it("answers unknown paths and methods, and carries the request's id", async () => {
    expect((await api.get("/api/v1/nothing")).body.code).toBe("route_not_found");
    const wrong = await api.send("/api/v1/events", { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
    expect(
      (await api.get("/health", { "x-request-id": "abc-1" })).headers.get("x-request-id"),
    ).toBe("abc-1");
    expect(
      (await api.get("/health", { "x-request-id": "bad id!" })).headers.get("x-request-id"),
    ).toMatch(/^[0-9a-f-]{36}$/);
    expect((await api.get("/health")).headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("is ready when the database, KV, R2 and the queue answer", async () => {
    const { status, body } = await api.get("/ready");
    expect(status).toBe(200);
    expect(
      body.checks.map((check: { name: string; ok: boolean }) => [check.name, check.ok]),
    ).toEqual(["database", "kv", "r2", "queue"].map((name) => [name, true]));
  });
});
