import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { localDate } from "../../support/days.ts";
import { api, data, decimal, fillNumbers, micros, rows, W } from "../../support/numbers.ts";
import type { RawRow } from "../../support/oracle.ts";

beforeAll(fillNumbers);

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
