import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { ask, fillViews, ONE, paths, W } from "../support/view-workspace.ts";
import { get, VIEWS } from "../support/views.ts";

beforeAll(fillViews);

describe("every view", () => {
  it("is asked by these tests", () => {
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
    // Each needs more than a range of one workspace, or runs in the range: its feature's tests ask it.
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
      // Files, the jobs that write them and access are no views of numbers: they have their own tests.
      .filter((path) => !/^\/(auth|exports|reports|downloads|shared|jobs)(\/|$)/.test(path))
      .filter((path) => !known.has(path) && !others.has(path));
    expect(missing).toEqual([]);
  });

  it("refuses a parameter that it does not know", async () => {
    for (const view of VIEWS.filter((each) => each.method === "GET" && !each.object)) {
      const { status, body } = await ask(view, W, "", "colour=red");
      expect([view.path, status, body.errors?.[0]?.path]).toEqual([view.path, 400, "query.colour"]);
    }
  });

  it("refuses an unknown zone, and a range that ends before it starts", async () => {
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
