import { beforeAll, describe, expect, it } from "vitest";
import {
  api,
  before,
  by,
  data,
  expectMeasures,
  fillNumbers,
  micros,
  RANGE,
  rows,
} from "../../support/numbers.ts";
import { measured } from "../../support/oracle.ts";

beforeAll(fillNumbers);

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
