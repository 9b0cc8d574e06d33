import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { localDate, random } from "../support/days.ts";
import { agrees, measured, type RawRow, rawRows, startOf } from "../support/oracle.ts";
import { store } from "../support/store.ts";

/** The views' numbers against plain loops over the raw rows of the workspace. */
const W = "numbers";
const FROM = "2026-09-01T00:00:00Z";
const TO = "2026-10-01T00:00:00Z";
const RANGE = `from=${FROM}&to=${TO}`;
let api: ReturnType<typeof clientOf>;
let all: RawRow[] = [];
let rows: RawRow[] = [];
let before: RawRow[] = [];

const micros = (list: readonly RawRow[]) =>
  list.reduce((sum, row) => sum + BigInt((row.credits ?? "0.000000").replace(".", "")), 0n);
const decimal = (value: bigint) =>
  `${value / 1_000_000n}.${String(value % 1_000_000n).padStart(6, "0")}`;
const within = (from: string, to: string) =>
  all.filter(
    (row) => startOf(row) >= Date.parse(from) * 1000 && startOf(row) < Date.parse(to) * 1000,
  );
const by = (list: readonly RawRow[], key: (row: RawRow) => string | null) => Map.groupBy(list, key);
function expectMeasures(values: Record<string, unknown>, list: readonly RawRow[]) {
  const expected = measured(list);
  const wrong = Object.keys(expected).filter(
    (name) =>
      name in values && !agrees(name as never, values[name] as never, expected[name as never]),
  );
  expect(wrong.map((name) => [name, values[name], expected[name as never]])).toEqual([]);
}

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(101);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T;
  const items = Array.from({ length: 3000 }, (_, n) => {
    const agent = pick(["a1", "a1", "a1", "a2", "a2", "a3", "a4"]);
    const late = next() < 0.6;
    const failing = agent === "a3" ? 0.5 : 0.1;
    const status = next() < failing ? pick(["failure", "timeout", "cancelled"]) : "success";
    const model = pick(["small", "large"]);
    const at =
      Date.parse(late ? "2026-09-01T00:00:00Z" : "2026-08-02T00:00:00Z") + next() * 30 * 86_400_000;
    return {
      id: `n${n}`,
      agent_id: agent,
      user_id: `u${Math.floor(next() ** 2 * 30)}`,
      status,
      started_at: new Date(at).toISOString(),
      duration_ms: Math.floor(Math.exp(4 + 5 * next()) * (agent === "a2" ? 2 : 1)),
      credits: (next() * (model === "large" ? 10 : 1)).toFixed(6),
      tokens_in: Math.floor(next() * 1000),
      tokens_out: Math.floor(next() * 100),
      model,
      ...(status === "success"
        ? {}
        : {
            error: {
              type: pick(["RateLimit", "ToolError"]),
              message: `Call ${n} to "tool-${n}" failed at step ${n % 9}`,
            },
          }),
    };
  });
  await store(executionIntake(ctx, W), items);
  await store(executionIntake(ctx, "numbers-2"), items.slice(0, 500));
  await runRollups(ctx, "hour");
  await runRollups(ctx, "day");
  await runRollups(ctx, "session");
  await ctx.db.run(
    sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where workspace_id = ${W} and id like 'n10%'`,
  );
  all = await ctx.db.all(rawRows(W));
  rows = within(FROM, TO);
  before = within("2026-08-02T00:00:00Z", FROM);
  api = clientOf(await tokenFor(W, { role: "owner", workspaces: [W, "numbers-2"] }));
});

const data = async (path: string) => {
  const { status, body } = await api.get(`/api/v1${path}${path.includes("?") ? "&" : "?"}${RANGE}`);
  expect([path, status]).toEqual([path, 200]);
  return body.data;
};

describe("agents", () => {
  it("have the numbers of their runs in the list, sorted, paged, searched and labelled", async () => {
    const whole = await data("/agents?sort=credits");
    const expected = [...by(rows, (row) => row.agent_id)].sort(([, a], [, b]) =>
      Number(micros(b) - micros(a)),
    );
    expect(whole.map((agent: { id: string }) => agent.id)).toEqual(expected.map(([id]) => id));
    for (const agent of whole)
      expectMeasures(
        agent,
        rows.filter((row) => row.agent_id === agent.id),
      );
    const paged: unknown[] = [];
    for (let cursor = ""; ; ) {
      const { body } = await api.get(`/api/v1/agents?sort=credits&limit=1&${RANGE}${cursor}`);
      paged.push(...body.data);
      if (!body.page.has_more) break;
      cursor = `&cursor=${body.page.next_cursor}`;
    }
    expect(paged).toEqual(whole);
    expect(
      (await api.patch("/api/v1/agents/a3", { name: "Writer of tests", labels: ["qa"] })).body.data,
    ).toEqual({
      id: "a3",
      name: "Writer of tests",
      labels: ["qa"],
    });
    expect(
      (await data("/agents?q=WRITER")).map((agent: { id: string; name: string }) => [
        agent.id,
        agent.name,
      ]),
    ).toEqual([["a3", "Writer of tests"]]);
    expect((await data("/agents?label=qa")).map((agent: { id: string }) => agent.id)).toEqual([
      "a3",
    ]);
    expect(await data("/agents?label=none")).toEqual([]);
    expect((await api.patch("/api/v1/agents/a3", { labels: [] })).body.data).toMatchObject({
      name: "Writer of tests",
      labels: [],
    });
    expect((await api.patch("/api/v1/agents/a3", { colour: "red" })).status).toBe(400);
    expect((await api.patch("/api/v1/agents/a3", {})).status).toBe(400);
  });

  it("have analytics that add up to their runs", async () => {
    const own = rows.filter((row) => row.agent_id === "a3");
    const analytics = await data("/agents/a3/analytics");
    expectMeasures(analytics.performance.totals, own);
    expect(analytics.performance.runs_per_hour).toBeCloseTo(own.length / (30 * 24), 9);
    const sum = (list: { executions: number }[]) =>
      list.reduce((total, each) => total + each.executions, 0);
    for (const list of [
      analytics.performance.histogram,
      analytics.performance.distribution,
      analytics.usage,
    ])
      expect(sum(list)).toBe(own.length);
    for (const model of analytics.resources.models)
      expectMeasures(
        model,
        own.filter((row) => row.model === model.model),
      );
    for (const user of analytics.users.top)
      expectMeasures(
        user,
        own.filter((row) => row.user_id === user.user),
      );
    const counts = [...by(own, (row) => row.user_id).values()]
      .map((list) => list.length)
      .sort((a, b) => b - a);
    expect(analytics.users.top.map((user: { executions: number }) => user.executions)).toEqual(
      counts.slice(0, 10),
    );
    expect(sum(analytics.errors)).toBe(own.filter((row) => row.error_type !== null).length);
    expect(sum(analytics.trend.days)).toBe(own.length);
    const earlier = measured(before.filter((row) => row.agent_id === "a3"));
    expect(analytics.comparison.previous_period.executions).toMatchObject({
      previous: earlier.executions,
      change: own.length - Number(earlier.executions),
    });
    expectMeasures(
      Object.fromEntries(
        Object.entries<{ workspace: unknown }>(analytics.comparison.workspace).map(
          ([name, each]) => [name, each.workspace],
        ),
      ),
      rows,
    );
    const kinds = analytics.suggestions.map((each: { kind: string }) => each.kind);
    expect(kinds).toContain("reliability");
    const cost = analytics.suggestions.find((each: { kind: string }) => each.kind === "cost");
    expect(cost.evidence).toMatchObject({
      model: "large",
      cheaper_model: "small",
      executions: own.filter((row) => row.model === "large").length,
    });
  });
});

describe("errors", () => {
  it("are grouped by what they say, without numbers and quoted text", async () => {
    const groups = await data("/errors");
    const failed = rows.filter((row) => row.error_type !== null);
    const expected = [...by(failed, (row) => row.error_type)].sort(
      ([, a], [, b]) => b.length - a.length,
    );
    expect(
      groups.map((group: { error_type: string; executions: number }) => [
        group.error_type,
        group.executions,
      ]),
    ).toEqual(expected.map(([type, list]) => [type, list.length]));
    for (const group of groups) {
      const list = failed.filter((row) => row.error_type === group.error_type);
      const ever = all
        .filter((row) => row.error_type === group.error_type)
        .map((row) => row.started_at)
        .sort();
      expect(group).toMatchObject({
        users: new Set(list.map((row) => row.user_id)).size,
        agents: new Set(list.map((row) => row.agent_id)).size,
        credits_lost: decimal(micros(list)),
        share: list.length / failed.length,
        first_seen_at: ever[0],
        last_seen_at: ever.at(-1),
        status: "open",
      });
      const detail = await data(`/errors/${group.id}`);
      expect(detail.executions).toBe(ever.length);
      expect(
        detail.timeline.reduce((sum: number, day: { errors: number }) => sum + day.errors, 0),
      ).toBe(list.length);
    }
    const first = await api.get(`/api/v1/errors?limit=1&${RANGE}`);
    const second = await api.get(
      `/api/v1/errors?limit=1&cursor=${first.body.page.next_cursor}&${RANGE}`,
    );
    const skipped = await api.get(`/api/v1/errors?limit=1&skip=1&include_total=true&${RANGE}`);
    const whole = await api.get(`/api/v1/errors?limit=1000&${RANGE}`);
    expect([skipped.body.data, skipped.body.page.total]).toEqual([
      second.body.data,
      whole.body.data.length,
    ]);
    expect(
      (
        await api.get(
          `/api/v1/errors?limit=1&skip=1&cursor=${first.body.page.next_cursor}&${RANGE}`,
        )
      ).status,
    ).toBe(422);
    expect([...first.body.data, ...second.body.data].map((group) => group.id)).toEqual(
      groups.map((group: { id: string }) => group.id),
    );
    const timeline = await data("/errors/timeline?agent_id=a3");
    expect(timeline.reduce((sum: number, day: { errors: number }) => sum + day.errors, 0)).toBe(
      failed.filter((row) => row.agent_id === "a3").length,
    );
  });

  it("that were resolved open again when one starts later, and ignored ones stay", async () => {
    const own = clientOf(await tokenFor("numbers-errors", { role: "owner" }));
    const send = (id: string, at: number, message: string) =>
      own.post("/api/v1/executions", {
        id,
        agent_id: "a",
        user_id: "u",
        status: "failure",
        started_at: new Date(at).toISOString(),
        error: { type: "E", message },
      });
    const now = Date.now();
    await send(
      "1",
      now - 60_000,
      "line 12:5 of 'x.ts' in run 8f14e45f-ceea-467f-a9c9-1234567890ab",
    );
    const list = async () =>
      (await own.get("/api/v1/errors?timeframe=24h", { "cache-control": "no-cache" })).body.data;
    const [{ id }] = await list();
    expect(
      (await own.post(`/api/v1/errors/${id}/resolve`, { note: "fixed" })).body.data,
    ).toMatchObject({
      status: "resolved",
      note: "fixed",
      changed_by: "tester",
    });
    expect((await list())[0]).toMatchObject({ status: "resolved", reopened: false });
    await send(
      "2",
      now - 30_000,
      "line 99:1 of 'y.ts' in run 00000000-0000-4000-8000-000000000000",
    );
    expect(await list()).toMatchObject([{ id, status: "resolved", executions: 2 }]);
    await send("3", now + 60_000, "line 7:7 of 'z.ts' in run ffffffff-ffff-4fff-8fff-ffffffffffff");
    const { body } = await own.get(
      `/api/v1/errors?from=${new Date(now - 90_000).toISOString()}&to=${new Date(now + 120_000).toISOString()}`,
    );
    expect(body.data).toMatchObject([{ id, status: "open", reopened: true, executions: 3 }]);
    // A run that began before the decision and fails after it is a comeback as well.
    await own.post(`/api/v1/errors/${id}/resolve`, {});
    expect((await list())[0]).toMatchObject({ status: "resolved", reopened: false });
    const late = {
      id: "4",
      agent_id: "a",
      user_id: "u",
      status: "failure",
      started_at: new Date(now - 3_000_000).toISOString(),
    };
    await own.post("/api/v1/executions", {
      ...late,
      ended_at: new Date(Date.now() + 1_000).toISOString(),
      error: { type: "E", message: "line 1:1 of 'z.ts' in run ab12" },
    });
    expect((await list())[0]).toMatchObject({ status: "open", reopened: true });
    // So is one that tells its duration and not its end.
    await own.post(`/api/v1/errors/${id}/resolve`, {});
    const told = {
      ...late,
      id: "5",
      duration_ms: 3_600_000,
      error: { type: "E", message: "line 1:1 of 'z.ts' in run ab12" },
    };
    await own.post("/api/v1/executions", told);
    expect((await list())[0]).toMatchObject({ status: "open", reopened: true });
    await own.post(`/api/v1/errors/${id}/ignore`, {});
    expect((await list())[0]).toMatchObject({ status: "ignored" });
    expect((await own.post(`/api/v1/errors/${"0".repeat(16)}/resolve`, {})).status).toBe(404);
    expect((await api.post(`/api/v1/errors/${id}/resolve`, {})).status).toBe(404);
  });
});

it("the fingerprint of an error ignores numbers, ids, quoted text and places, and keeps the words", async () => {
  const ctx = testContext();
  const of = async (message: string | null) => {
    const row = await ctx.db.maybe({
      sql: sql`select error_fingerprint('E', ${message}) as id`,
      row: z.object({ id: z.string() }),
    });
    return row?.id;
  };
  const same = [
    ["Order ab12 missing", "Order cd34 missing"],
    ["at x.ts:12:5", "at x.ts:7:31"],
    ["value -5", "value 5"],
    ["took 1e-5 s", "took 2.5 s"],
    ["run 8f14e45f-ceea-467f-a9c9-1234567890ab", "run ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["key deadbeefcafe", "key abcdefabcdef"],
    ["no 'a' in \"b\"", "no 'c' in \"d\""],
    ["keine Datei «а»", "keine Datei «б»"],
    ["two  spaces", "two spaces"],
  ] as const;
  for (const [a, b] of same) expect([a, await of(a)]).toEqual([a, await of(b)]);
  const different = ["timeout", "refused", "can't connect", "can't listen", null, "x.ts", "y.ts"];
  const ids = await Promise.all(different.map(of));
  expect(new Set(ids).size).toBe(different.length);
});

describe("credits", () => {
  it("add up, have a price when there is one, and say why when there is none", async () => {
    const total = micros(rows);
    const none = await data("/credits/consumption?granularity=week");
    expect(none.credits).toBe(decimal(total));
    expect(none.cost).toMatchObject({
      amount: null,
      reason: expect.stringContaining("credit_price"),
    });
    expect(none.series.at(-1).cumulative).toBe(none.credits);
    const lost = micros(rows.filter((row) => row.status !== "success"));
    expect(none.not_successful.credits).toBe(decimal(lost));
    const settings = await api.patch(`/api/v1/workspaces/${W}/settings`, {
      credit_price: "0.0123",
      currency: "EUR",
      timezone: "Asia/Kolkata",
    });
    expect(settings.body.data).toMatchObject({
      credit_price: "0.0123000000",
      currency: "EUR",
      timezone: "Asia/Kolkata",
    });
    const priced = await data("/credits/consumption?granularity=month");
    expect(priced.cost).toEqual({
      amount: decimal((total * 123n + 5_000n) / 10_000n),
      currency: "EUR",
      reason: null,
    });
    for (const group of ["model", "agent", "user"] as const) {
      const { groups } = await data(`/credits/breakdown?by=${group}&limit=1000`);
      const key = (row: RawRow) =>
        group === "model" ? row.model : group === "agent" ? row.agent_id : row.user_id;
      for (const each of groups)
        expect(each.credits).toBe(decimal(micros(rows.filter((row) => key(row) === each[group]))));
    }
    const found = await data("/credits/optimizations");
    const failing = found.find(
      (each: { kind: string; evidence: { agent: string } }) =>
        each.kind === "failed_runs" && each.evidence.agent === "a3",
    );
    const failed = rows.filter(
      (row) => row.agent_id === "a3" && (row.status === "failure" || row.status === "timeout"),
    );
    expect(failing.evidence).toMatchObject({
      failed: failed.length,
      credits_lost: decimal(micros(failed)),
    });
    for (const bad of [
      { timezone: "Mars/Base" },
      { currency: "euro" },
      { credit_price: "-1" },
      { retention_days: 0 },
      { colour: 1 },
    ])
      expect([400, 422]).toContain(
        (await api.patch(`/api/v1/workspaces/${W}/settings`, bad)).status,
      );
  });

  it("burn by whole local days, and reach the marks of budgets in the workspace's zone", async () => {
    const own = clientOf(await tokenFor("numbers-credits", { role: "owner" }));
    const zone = "Asia/Kathmandu";
    await own.patch("/api/v1/workspaces/numbers-credits/settings", { timezone: zone });
    const now = Date.now();
    const items = Array.from({ length: 60 }, (_, n) => ({
      id: `c${n}`,
      agent_id: "a",
      user_id: "u",
      status: "success",
      started_at: new Date(now - n * 43_200_000).toISOString(),
      credits: (1 + (n % 7) / 7).toFixed(6),
    }));
    await own.post("/api/v1/executions", { executions: items });
    const { body } = await own.get(`/api/v1/credits/burn?timezone=${zone}`, {
      "cache-control": "no-cache",
    });
    const perDay = new Map<string, bigint>();
    for (const item of items)
      perDay.set(
        localDate(item.started_at, zone),
        (perDay.get(localDate(item.started_at, zone)) ?? 0n) +
          BigInt(item.credits.replace(".", "")),
      );
    for (const { day, credits } of body.data.days)
      expect([day, credits]).toEqual([day, decimal(perDay.get(day) ?? 0n)]);
    const last7 = body.data.days
      .slice(-8, -1)
      .reduce(
        (sum: bigint, day: { credits: string }) => sum + BigInt(day.credits.replace(".", "")),
        0n,
      );
    expect(body.data.last_7_days.credits).toBe(decimal(last7));
    expect(body.data.today.credits).toBe(
      decimal(perDay.get(localDate(new Date(now).toISOString(), zone)) ?? 0n),
    );
    const put = await own.send("/api/v1/credits/budgets", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        budgets: [
          { period: "day", credits: "0.5" },
          { period: "month", credits: 1000 },
        ],
      }),
    });
    expect(put.status).toBe(200);
    const { meta } = (await own.get("/api/v1/credits/budgets", { "cache-control": "no-cache" }))
      .body;
    expect(
      meta.sources.raw.rows + meta.sources.hourly.buckets + meta.sources.daily.buckets,
    ).toBeGreaterThan(0);
    const [day, month] = put.body.data.budgets;
    expect(day).toMatchObject({ period: "day", spent: body.data.today.credits, exceeded: true });
    expect(
      day.marks.map((mark: { share: number; reached: boolean }) => [mark.share, mark.reached]),
    ).toEqual([
      [0.5, true],
      [0.75, true],
      [0.9, true],
      [1, true],
    ]);
    expect(day.marks[0].reached_at).toMatch(/\+05:45$/);
    const monthly = [...perDay]
      .filter(
        ([date]) => date.slice(0, 7) === localDate(new Date(now).toISOString(), zone).slice(0, 7),
      )
      .reduce((sum, [, credits]) => sum + credits, 0n);
    expect(month).toMatchObject({
      period: "month",
      spent: decimal(monthly),
      remaining: decimal(1_000_000_000n - monthly),
      exceeded: false,
    });
    const put2 = (budgets: unknown[]) =>
      own.send("/api/v1/credits/budgets", {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ budgets }),
      });
    for (let round = 0; round < 10; round++) {
      await Promise.all([
        put2([{ period: "day", credits: 1 }]),
        put2([
          { period: "week", credits: 2 },
          { period: "month", credits: 3 },
        ]),
      ]);
      const { body: stored } = await own.get("/api/v1/credits/budgets", {
        "cache-control": "no-cache",
      });
      expect([["day"], ["week", "month"]]).toContainEqual(
        stored.data.budgets.map((budget: { period: string }) => budget.period),
      );
    }
    expect((await put2([{ period: "day", credits: 1e-7 }])).status).toBe(400);
    const twice = await own.send("/api/v1/credits/budgets", {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        budgets: [
          { period: "day", credits: 1 },
          { period: "day", credits: 2 },
        ],
      }),
    });
    expect([twice.status, twice.body.errors[0].path]).toEqual([422, "budgets.1.period"]);
    const viewer = clientOf(await tokenFor("numbers-credits", { role: "viewer" }));
    expect(
      (
        await viewer.send("/api/v1/credits/budgets", {
          method: "PUT",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ budgets: [] }),
        })
      ).status,
    ).toBe(403);
  });
});

describe("leaderboards", () => {
  const scores: Record<string, (list: readonly RawRow[]) => number> = {
    runs: (list) => list.length,
    success_rate: (list) => 0.7 * S(list) + 0.3 * Math.min(list.length, 100),
    speed: (list) => Math.max(0, 100 - D(list)) + 0.3 * S(list),
    efficiency: (list) =>
      0.4 * S(list) + 0.3 * Math.max(0, 100 - C(list) / 10) + 0.3 * Math.max(0, 100 - D(list)),
    popularity: (list) =>
      10 * new Set(list.map((row) => row.user_id)).size + 0.5 * list.length + 0.2 * S(list),
  };
  const S = (list: readonly RawRow[]) =>
    (100 * list.filter((row) => row.status === "success").length) / list.length;
  const D = (list: readonly RawRow[]) =>
    list.reduce((sum, row) => sum + (row.duration_ms ?? 0), 0) / list.length / 1000;
  const C = (list: readonly RawRow[]) => Number(micros(list)) / 1e6 / list.length;

  it.each(Object.keys(scores))(
    "rank agents by %s now and before, page by page, and one alone",
    async (criterion) => {
      const board = await data(`/leaderboards/agents?criteria=${criterion}`);
      const ranked = (list: readonly RawRow[]) =>
        [...by(list, (row) => row.agent_id)]
          .filter(([, of]) => of.length >= 5)
          .map(([id, of]) => ({ id, score: scores[criterion]?.(of) ?? 0, n: of.length }))
          .sort(
            (a, b) => b.score - a.score || b.n - a.n || String(a.id).localeCompare(String(b.id)),
          );
      const [expected, earlier] = [ranked(rows), ranked(before)];
      expect(board.rankings.map((each: { id: string }) => each.id)).toEqual(
        expected.map((each) => each.id),
      );
      board.rankings.forEach(
        (
          each: {
            id: string;
            score: number;
            rank: number;
            previous_rank: number;
            change: number;
            percentile: number;
            badge: string | null;
          },
          index: number,
        ) => {
          expect(each.score).toBeCloseTo(expected[index]?.score ?? 0, 4);
          const previous = earlier.findIndex((old) => old.id === each.id) + 1;
          expect(each).toMatchObject({
            rank: index + 1,
            previous_rank: previous,
            change: previous - (index + 1),
            badge: ["gold", "silver", "bronze"][index] ?? null,
          });
          expect(each.percentile).toBeCloseTo(
            ((expected.length - index) / expected.length) * 100,
            9,
          );
        },
      );
      const alone = await data(
        `/leaderboards/agents/${expected[1]?.id}/rank?criteria=${criterion}`,
      );
      expect(alone).toMatchObject({ ...board.rankings[1], ranked: expected.length });
      const paged: unknown[] = [];
      for (let cursor = ""; ; ) {
        const { body } = await api.get(
          `/api/v1/leaderboards/agents?criteria=${criterion}&limit=1&${RANGE}${cursor}`,
        );
        paged.push(...body.data.rankings);
        if (!body.page.has_more) break;
        cursor = `&cursor=${body.page.next_cursor}`;
      }
      expect(paged).toEqual(board.rankings);
      expect((await api.get(`/api/v1/leaderboards/agents/nobody/rank?${RANGE}`)).status).toBe(404);
    },
  );

  it("rank the workspaces of the token only, growth compared in time", async () => {
    const board = await data("/leaderboards/workspaces?criteria=growth");
    expect(board.rankings.map((each: { id: string }) => each.id).sort()).toEqual([W, "numbers-2"]);
    const own = board.rankings.find((each: { id: string }) => each.id === W);
    expect(own.score).toBeCloseTo((100 * (rows.length - before.length)) / before.length, 9);
    const narrow = clientOf(await tokenFor("numbers-2", { role: "viewer" }));
    expect(
      (await narrow.get(`/api/v1/leaderboards/workspaces?${RANGE}`)).body.data.rankings.map(
        (each: { id: string }) => each.id,
      ),
    ).toEqual(["numbers-2"]);
  });
});

describe("comparisons", () => {
  const post = async (kind: string, body: Record<string, unknown>) => {
    const answer = await api.post(`/api/v1/comparisons/${kind}`, body);
    expect([kind, answer.status]).toEqual([kind, 200]);
    return answer.body.data;
  };

  it("of agents, periods and workspaces have the numbers of each, and tests", async () => {
    const agents = await post("agents", { agent_ids: ["a1", "a3"], from: FROM, to: TO });
    for (const each of agents.entities)
      expectMeasures(
        each.totals,
        rows.filter((row) => row.agent_id === each.id),
      );
    const test = agents.tests.find((each: { measure: string }) => each.measure === "success_rate");
    expect(test).toMatchObject({
      a: "a1",
      b: "a3",
      significance: { test: "two_proportion_z", tested: true, significant: true },
    });
    expect(
      agents.differences.find((each: { measure: string }) => each.measure === "success_rate"),
    ).toMatchObject({
      best: "a1",
      worst: "a3",
    });
    const periods = await post("periods", {
      a: { from: FROM, to: TO },
      b: { from: "2026-08-02T00:00:00Z", to: FROM },
    });
    expectMeasures(periods.entities[0].totals, rows);
    expectMeasures(periods.entities[1].totals, before);
    const slow = await post("agents", { agent_ids: ["a1", "a2"], from: FROM, to: TO });
    const duration = slow.tests.find(
      (each: { measure: string }) => each.measure === "duration",
    ).significance;
    const [fast, late] = ["a1", "a2"].map((id) =>
      rows.filter((row) => row.agent_id === id).map((row) => row.duration_ms ?? 0),
    );
    const pairs = (fast ?? []).reduce(
      (sum, x) => sum + (late ?? []).reduce((s, y) => s + (x > y ? 1 : x === y ? 0.5 : 0), 0),
      0,
    );
    expect(duration.superiority).toBeCloseTo(
      pairs / ((fast ?? []).length * (late ?? []).length),
      2,
    );
    expect(duration.significant).toBe(true);
    const workspaces = await post("workspaces", {
      workspace_ids: [W, "numbers-2"],
      from: FROM,
      to: TO,
    });
    expectMeasures(workspaces.entities[0].totals, rows);
    expect(
      (
        await api.post("/api/v1/comparisons/workspaces", {
          workspace_ids: [W, "views"],
          from: FROM,
          to: TO,
        })
      ).status,
    ).toBe(403);
    for (const bad of [
      { agent_ids: ["a1"] },
      { agent_ids: ["a1", "a1"] },
      { agent_ids: Array.from({ length: 11 }, (_, n) => `x${n}`) },
    ])
      expect(
        (await api.post("/api/v1/comparisons/agents", { ...bad, timeframe: "7d" })).status,
      ).toBe(400);
  });

  it("of one measure say where each entity stands", async () => {
    const found = await post("metrics", {
      measure: "duration_p95",
      by: "agent",
      from: FROM,
      to: TO,
    });
    expect(found.entities).toHaveLength(4);
    for (const each of found.entities)
      expectMeasures(
        { duration_p95: each.value },
        rows.filter((row) => row.agent_id === each.id),
      );
    const values = found.entities.map((each: { value: number }) => each.value);
    expect(found.statistics.mean).toBeCloseTo(
      values.reduce((a: number, b: number) => a + b, 0) / 4,
      6,
    );
    expect(found.winner).toBe(
      found.entities.find((each: { value: number }) => each.value === Math.min(...values)).id,
    );
    expect(found.test).toMatchObject({ a: "a2", measure: "duration" });
  });
});

describe("executive", () => {
  it("compares users of as many days as the range touches, wherever in a day it begins", async () => {
    const own = "numbers-constant";
    const today = Date.parse(`${new Date().toISOString().slice(0, 10)}T00:00:00Z`);
    const newcomer = (_: unknown, ago: number) => ({
      id: `c${ago}`,
      agent_id: "a",
      user_id: `c${ago}`,
      status: "success",
      started_at: new Date(today - ago * 86_400_000).toISOString(),
    });
    await store(executionIntake(testContext(), own), Array.from({ length: 70 }, newcomer));
    const client = clientOf(await tokenFor(own));
    for (const timeframe of ["24h", "7d", "30d"]) {
      const { new_users: found } = (
        await client.get(`/api/v1/executive/overview?timeframe=${timeframe}`)
      ).body.data.users;
      expect([timeframe, found.value, found.change]).toEqual([timeframe, found.previous, 0]);
    }
  });

  it("gives the kernel's figures with the question that explains each, and makes nothing up", async () => {
    const { kpis, revenue, cost } = await data("/executive/kpis");
    expectMeasures(
      Object.fromEntries(
        Object.entries<{ value: unknown }>(kpis).map(([name, figure]) => [name, figure.value]),
      ),
      rows,
    );
    expectMeasures(
      Object.fromEntries(
        Object.entries<{ previous: unknown }>(kpis).map(([name, figure]) => [
          name,
          figure.previous,
        ]),
      ),
      within("2026-08-02T00:00:00Z", FROM),
    );
    for (const [name, figure] of Object.entries<{
      query: string;
      value: unknown;
      previous: unknown;
    }>(kpis)) {
      const { status, body } = await api.get(figure.query);
      expect(status).toBe(200);
      expect(body.meta.plan).toBeDefined();
      expect([name, body.data.current[name], body.data.previous[name]]).toEqual([
        name,
        figure.value,
        figure.previous,
      ]);
    }
    expect(revenue).toMatchObject({ amount: null, reason: expect.any(String) });
    expect(cost.currency).toBe("EUR");
    const dashboard = await data("/executive/dashboard");
    expect(dashboard.kpis).toEqual(kpis);
    expect((await api.get(dashboard.trends.query)).status).toBe(200);
    const activity = (await api.get(dashboard.users.dau.query)).body.data;
    for (const name of ["dau", "wau", "mau", "stickiness"])
      expect(dashboard.users[name].value).toBe(activity.latest[name]);
    const sum = (name: string) =>
      activity.days.reduce(
        (total: number, day: Record<string, number>) => total + (day[name] ?? 0),
        0,
      );
    expect([dashboard.users.new_users.value, dashboard.users.dormant_users.value]).toEqual([
      sum("new"),
      sum("dormant"),
    ]);
    const earlier = (await api.get(`/api/v1/users/activity?from=2026-08-02T00:00:00Z&to=${FROM}`))
      .body.data;
    expect(dashboard.users.mau).toMatchObject({
      previous: earlier.latest.mau,
      change: activity.latest.mau - earlier.latest.mau,
    });
    for (const agent of dashboard.top_agents) {
      expectMeasures(
        agent,
        rows.filter((row) => row.agent_id === agent.agent),
      );
      const explained = (await api.get(agent.query)).body.data;
      expect([explained.current.executions, explained.previous.executions]).toEqual([
        agent.executions,
        agent.comparison.executions.previous,
      ]);
    }
    expect(
      (await clientOf(await tokenFor(W, { role: "member" })).get(`/api/v1/executive/kpis?${RANGE}`))
        .status,
    ).toBe(403);
  });
});

describe("workspaces and execution metrics", () => {
  it("have a health whose parts add up to it", async () => {
    const { health, totals } = await data(`/workspaces/${W}`);
    expectMeasures(totals, rows);
    expect(health.parts.map((part: { name: string }) => part.name)).toEqual([
      "reliability",
      "activity",
      "engagement",
      "efficiency",
    ]);
    expect(
      health.parts.reduce((sum: number, part: { weight: number }) => sum + part.weight, 0),
    ).toBeCloseTo(1, 12);
    expect(health.score).toBeCloseTo(
      100 *
        health.parts.reduce(
          (sum: number, part: { weight: number; value: number }) => sum + part.weight * part.value,
          0,
        ),
      9,
    );
    const users = [...by(rows, (row) => row.user_id).values()].map(
      (list) => new Set(list.map((row) => row.started_at.slice(0, 10))),
    );
    const [reliability, activity, engagement, efficiency] = health.parts.map(
      (part: { value: number }) => part.value,
    );
    expect(reliability).toBeCloseTo(
      rows.filter((row) => row.status === "success").length / rows.length,
      12,
    );
    expect(activity).toBe(
      users.filter((days) => [...days].some((day) => day >= "2026-09-24")).length / users.length,
    );
    expect(engagement).toBe(users.filter((days) => days.size >= 4).length / users.length);
    expect(efficiency).toBeCloseTo(
      Number(micros(rows.filter((row) => row.status === "success"))) / Number(micros(rows)),
      9,
    );
    const members = await data(`/workspaces/${W}/members?limit=1000`);
    for (const member of members) {
      const own = rows.filter((row) => row.user_id === member.id);
      expectMeasures(member, own);
      expect(member.engagement).toBe(
        own.length >= 50 ? "high" : own.length >= 20 ? "medium" : "low",
      );
    }
  });

  it("give throughput over wall time, whole histograms and patterns", async () => {
    const execution = await data("/metrics/execution?timezone=Asia/Kolkata");
    expect(execution.throughput).toMatchObject({
      executions: rows.length,
      hours: 720,
      per_hour: rows.length / 720,
      per_day: rows.length / 30,
    });
    const sum = (list: { executions: number }[]) =>
      list.reduce((total, each) => total + each.executions, 0);
    expect(sum(execution.throughput.series)).toBe(rows.length);
    for (const slice of execution.latency.histogram) {
      const inside = rows.filter(
        (row) =>
          (row.duration_ms ?? 0) >= slice.from_ms &&
          (slice.to_ms === null || (row.duration_ms ?? 0) < slice.to_ms),
      ).length;
      const near = rows.filter((row) =>
        [slice.from_ms, slice.to_ms ?? 0].some(
          (edge) => edge > 0 && Math.abs((row.duration_ms ?? 0) - edge) <= edge * 0.02,
        ),
      ).length;
      expect(Math.abs(slice.executions - inside)).toBeLessThanOrEqual(near);
    }
    const hour = (row: RawRow) =>
      Number(
        new Intl.DateTimeFormat("en-GB", {
          timeZone: "Asia/Kolkata",
          hour: "2-digit",
          hourCycle: "h23",
        }).format(new Date(row.started_at)),
      );
    for (const cell of execution.patterns.peak_hours)
      expect(cell.executions).toBe(rows.filter((row) => hour(row) === cell.hour_of_day).length);
  });

  it("are found by search, within the workspace", async () => {
    const find = async (q: string) =>
      (await api.get(`/api/v1/search?q=${encodeURIComponent(q)}`)).body.data.results;
    expect((await find("a3")).agents[0]).toMatchObject({
      id: "a3",
      score: 3,
      href: `/api/v1/agents/a3?workspace_id=${W}`,
    });
    expect((await find("tests")).agents[0]).toMatchObject({ id: "a3", title: "Writer of tests" });
    expect((await find("u1")).users.map((hit: { id: string }) => hit.id)).toContain("u1");
    expect((await find("n299")).executions.map((hit: { id: string }) => hit.id)).toEqual([
      "n299",
      ...Array.from({ length: 9 }, (_, n) => `n299${n}`),
    ]);
    expect((await find("tool fail")).errors).toHaveLength(2);
    expect((await find("RateLimit")).errors[0]).toMatchObject({ title: "RateLimit", score: 3 });
    for (const q of ["'; drop table x; --", ":*", "%", "\\", "()", "!&|"])
      expect((await api.get(`/api/v1/search?q=${encodeURIComponent(q)}`)).status).toBe(200);
    const stranger = clientOf(await tokenFor("numbers-stranger"));
    expect((await stranger.get("/api/v1/search?q=a3")).body.data.total).toBe(0);
  });
});
