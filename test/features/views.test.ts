import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { eventIntake } from "../../src/features/events/ingest.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { store } from "../support/store.ts";
import { get, VIEWS, type View } from "../support/views.ts";

const W = "views";
const EMPTY = "views-empty";
const ONE = "views-one";
const NOW = Date.now();
const hourAgo = new Date(NOW - 3_600_000).toISOString();
const objects: Record<string, string> = { agent: "a1", user: "u1", error: "" };
let paths: Record<
  string,
  Record<string, { responses: Record<string, { content?: Record<string, { schema: unknown }> }> }>
>;
let schemas: Record<string, unknown>;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  // Ties everywhere: agents, users, durations and credits repeat themselves.
  const items = Array.from({ length: 400 }, (_, n) => ({
    id: `v${n}`,
    agent_id: `a${n % 4}`,
    user_id: `u${n % 5}`,
    status: n % 10 === 0 ? "failure" : "success",
    started_at: new Date(NOW - 3_600_000 - (n % 40) * 40_000_000).toISOString(),
    duration_ms: 100 * (n % 3),
    credits: "0.5",
    tokens_in: 10,
    tokens_out: 1,
    model: `m${n % 2}`,
    ...(n % 10 === 0 ? { error: { type: "Boom", message: `run ${n} failed` } } : {}),
  }));
  await store(executionIntake(ctx, W), items);
  // Every hour of the days around a clock change, the one that comes twice too.
  const change = Array.from({ length: 73 }, (_, hour) => ({
    ...items[hour % 4],
    id: `dst${hour}`,
    started_at: new Date(Date.UTC(2026, 9, 23, 22) + hour * 3_600_000).toISOString(),
  }));
  await store(executionIntake(ctx, W), change);
  await store(eventIntake(ctx, W), [
    { id: "e1", event_type: "open", user_id: "u1", occurred_at: hourAgo },
  ]);
  await store(executionIntake(ctx, ONE), [
    {
      id: "only",
      agent_id: "a1",
      user_id: "u1",
      status: "failure",
      started_at: hourAgo,
      duration_ms: 0,
      error: { type: "E" },
    },
  ]);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  const { body } = await clientOf(await tokenFor(W)).get("/openapi.json");
  paths = body.paths;
  schemas = body.components.schemas;
  objects.error = (
    await clientOf(await tokenFor(W)).get("/api/v1/errors?timeframe=30d")
  ).body.data[0].id;
});

/** A path with its parameters in place, in a range. */
function urlOf(
  { method, path, rangeless }: View,
  workspace: string,
  range: string,
  more = "",
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    name === "workspace" ? workspace : (objects[name] ?? ""),
  );
  const query = [method === "POST" || rangeless ? "" : range, more].filter(Boolean).join("&");
  return `/api/v1${filled}${query === "" ? "" : `${filled.includes("?") ? "&" : "?"}${query}`}`;
}

async function ask(
  view: View,
  workspace: string,
  range = "",
  more = "",
  headers: Record<string, string> = {},
) {
  const api = clientOf(await tokenFor(workspace, { role: "owner" }));
  const url = urlOf(view, workspace, range, more);
  if (view.method === "GET") return api.get(url, headers);
  return api.post(
    url,
    { ...view.body, ...Object.fromEntries(new URLSearchParams(range)) },
    headers,
  );
}

/** Components put in the place of their references. */
function inlined(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(inlined);
  if (typeof schema !== "object" || schema === null) return schema;
  const { $ref } = schema as { $ref?: string };
  if ($ref) return inlined(schemas[$ref.split("/").at(-1) ?? ""]);
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, inlined(value)]));
}

/** An answer is of the shape that the OpenAPI document gives it, and holds no NaN or Infinity (which JSON makes null). */
function expectDescribed(view: View, body: unknown) {
  const plain = view.path.split("?")[0] ?? "";
  const template = Object.keys(paths).find((each) => {
    const pattern = new RegExp(`^/api/v1${plain.replace(/\{\w+\}/g, "\\{\\w+\\}")}$`);
    return pattern.test(each);
  });
  const measured = Object.keys(paths).find((each) =>
    new RegExp(`^${each.replace(/\{\w+\}/g, "[^/]+")}$`).test(`/api/v1${plain}`),
  );
  const operation = paths[template ?? measured ?? ""]?.[view.method.toLowerCase()];
  const schema = operation?.responses["200"]?.content?.["application/json"]?.schema;
  expect(schema, `${view.path} is in the document`).toBeDefined();
  const result = z.fromJSONSchema(inlined(schema) as never).safeParse(body);
  expect(result.error?.issues ?? []).toEqual([]);
}

const names = VIEWS.map((view) => [`${view.method} ${view.path}`, view] as const);
const BERLIN_CHANGE =
  "from=2026-10-24T00:00:00%2B02:00&to=2026-10-27T00:00:00%2B01:00&timezone=Europe/Berlin";
const FUTURE = "from=2031-01-01T00:00:00Z&to=2031-02-01T00:00:00Z";

describe.each(names)("%s", (_, view) => {
  it("answers an empty workspace with what is empty, and nothing that is not there", async () => {
    const { status, body } = await ask(view, EMPTY, "timeframe=30d");
    expect(status).toBe(view.object ? 404 : 200);
    if (!view.object) expectDescribed(view, body);
  });

  it("answers one row, and ties, as its description says, in a zone with a clock change, and in the future", async () => {
    for (const workspace of view.path.includes("{error}") ? [W] : [ONE, W]) {
      for (const range of ["timeframe=30d", BERLIN_CHANGE, FUTURE]) {
        const { status, body } = await ask(view, workspace, range);
        expect([
          view.path,
          workspace,
          range,
          status,
          status === 200 ? "" : JSON.stringify(body),
        ]).toEqual([view.path, workspace, range, 200, ""]);
        expectDescribed(view, body);
        expect(body.meta.as_of).toMatch(/^20/);
      }
    }
  });

  it("says the same twice, the second time from the cache", async () => {
    const first = await ask(view, W, "timeframe=90d");
    const second = await ask(view, W, "timeframe=90d");
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(second.body.meta.cached).toBe(true);
    expect(second.body.data).toEqual(first.body.data);
  });

  it("is closed to a user of another workspace and to nobody", async () => {
    const stranger = clientOf(await tokenFor("views-stranger", { role: "owner" }));
    const url = urlOf(
      view,
      W,
      "timeframe=30d",
      view.path.includes("{workspace}") ? "" : `workspace_id=${W}`,
    );
    const closed =
      view.method === "GET" ? await stranger.get(url) : await stranger.post(url, view.body);
    expect(closed.status).toBe(view.path.includes("{workspace}") ? 404 : 403);
    // Within their own workspace the objects of this one do not exist.
    const own = await (view.method === "GET"
      ? stranger.get(urlOf({ ...view }, "views-stranger", "timeframe=30d"))
      : stranger.post(urlOf(view, "", ""), view.body));
    expect(own.status).toBe(view.object ? 404 : 200);
    expect(JSON.stringify(own.body.data ?? null)).not.toContain("Boom");
    const nobody = clientOf("none");
    expect(
      (await (view.method === "GET" ? nobody.get(url) : nobody.post(url, view.body))).status,
    ).toBe(401);
  });

  if (!view.rolled) return;
  it("reads no raw row where rollups cover the range", async () => {
    const day = (ago: number) =>
      `${new Date(NOW - ago * 86_400_000).toISOString().slice(0, 10)}T00:00:00Z`;
    const { status, body } = await ask(
      view,
      W,
      `from=${day(20)}&to=${day(2)}`,
      view.method === "GET" ? "explain=true" : "",
      {
        "cache-control": "no-cache",
      },
    );
    expect(status).toBe(200);
    if (view.method === "GET") expect(body.meta.plan).toBeDefined();
    expect([view.path, body.meta.sources.raw.rows]).toEqual([view.path, 0]);
  });
});

describe("every view", () => {
  it("is in this list", () => {
    const others = new Set([
      "/metrics/catalog",
      "/metrics/query",
      "/executions",
      "/executions/{id}",
      "/events",
      "/realtime",
      "/funnels",
      "/funnels/{id}",
      "/funnels/{id}/analyze",
    ]);
    // These need what one range of one workspace does not say, or are nothing in a range without runs; numbers.test.ts and others hold them.
    for (const name of [
      "/funnels/{id}/journeys",
      "/agents/{id}/executions",
      "/users/{id}/timeline",
      "/leaderboards/agents/{id}/rank",
      "/comparisons/periods",
      "/comparisons/workspaces",
    ])
      others.add(name);
    const known = new Set(
      VIEWS.map((view) =>
        (view.path.split("?")[0] ?? "")
          .replace(/\{\w+\}/g, "{id}")
          .replace(/^\/trends\/.*/, "/trends/{measure}"),
      ),
    );
    const missing = Object.entries(paths)
      .filter(
        ([path, methods]) =>
          path.startsWith("/api/v1/") &&
          ("get" in methods || path.includes("comparisons") || path.endsWith("analyze")),
      )
      .map(([path]) => path.slice("/api/v1".length))
      // Files and the jobs that write them are no views of numbers: they have tests of their own.
      .filter((path) => !/^\/(exports|reports|downloads|shared|jobs)(\/|$)/.test(path))
      .filter((path) => !known.has(path) && !others.has(path));
    expect(missing).toEqual([]);
  });

  it("refuses a parameter that it does not know", async () => {
    for (const view of VIEWS.filter((each) => each.method === "GET" && !each.object)) {
      const { status, body } = await ask(view, W, "", "colour=red");
      expect([view.path, status, body.errors?.[0]?.path]).toEqual([view.path, 400, "query.colour"]);
    }
  });

  it("refuses a zone that is none, and a range that ends before it starts", async () => {
    for (const view of VIEWS.filter((each) => each.method === "GET" && !each.rangeless)) {
      for (const range of [
        "timeframe=7d&timezone=%2B05:30",
        "timeframe=7d&timezone=",
        "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
      ]) {
        const { status } = await ask(view, W, range);
        expect([view.path, range, status]).toEqual([view.path, range, 422]);
      }
    }
  });

  it("that is a list refuses a cursor that it has not given", async () => {
    const encoded = (position: string[]) =>
      btoa(JSON.stringify(position)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const api = clientOf(await tokenFor(W, { role: "owner" }));
    const lists = [
      "/agents",
      "/users",
      `/workspaces/${W}/members`,
      "/errors",
      "/leaderboards/agents",
      "/executions",
      "/events",
      "/funnels",
    ];
    const given = (await api.get("/api/v1/agents?timeframe=30d&limit=1")).body.page.next_cursor;
    for (const path of lists) {
      const forged = [
        ["agent executions desc", "1", "1e999", "a1"],
        ["agent executions desc", "2", "1", "a1"],
        ["started_at", "x", "y"],
        ["1"],
        [],
      ].map(encoded);
      for (const cursor of [...forged, "***", path === "/agents" ? "" : given].filter(Boolean)) {
        const { status } = await api.get(`/api/v1${path}?cursor=${encodeURIComponent(cursor)}`);
        expect([path, cursor, status]).toEqual([path, cursor, 422]);
      }
    }
    expect(
      (await api.get(`/api/v1/agents?timeframe=30d&limit=1&sort=credits&cursor=${given}`)).status,
    ).toBe(422);
  });

  it("of several workspaces needs no default workspace in the token", async () => {
    const api = clientOf(
      await tokenFor(W, { workspaceId: undefined, workspaces: { [W]: "viewer", [ONE]: "admin" } }),
    );
    expect(
      (await api.get("/api/v1/workspaces")).body.data.map((each: { id: string; role: string }) => [
        each.id,
        each.role,
      ]),
    ).toEqual([
      [W, "viewer"],
      [ONE, "admin"],
    ]);
    expect((await api.get("/api/v1/leaderboards/workspaces")).status).toBe(200);
    expect(
      (
        await api.post("/api/v1/comparisons/workspaces", {
          workspace_ids: [W, ONE],
          timeframe: "7d",
        })
      ).status,
    ).toBe(200);
  });

  it("uses rows of its own workspace only", async () => {
    const ctx = testContext();
    const found = await ctx.db.maybe({
      sql: sql`select count(*) as n from executions where workspace_id = ${W}`,
      row: z.object({ n: z.number() }),
    });
    const { body } = await ask(get("/metrics/summary"), W, "timeframe=1y");
    expect(body.data.executions).toBe(found?.n);
  });
});
