import { beforeAll, describe, expect, it } from "vitest";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import {
  api,
  data,
  expectMeasures,
  FROM,
  fillNumbers,
  RANGE,
  rows,
  setPriceAndZone,
  W,
  within,
} from "../../support/numbers.ts";
import { store } from "../../support/store.ts";

beforeAll(async () => {
  await fillNumbers();
  await setPriceAndZone();
});

describe("an executive view", () => {
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
