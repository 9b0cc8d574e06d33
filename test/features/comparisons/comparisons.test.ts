import { beforeAll, describe, expect, it } from "vitest";
import {
  api,
  before,
  expectMeasures,
  FROM,
  fillNumbers,
  rows,
  setPriceAndZone,
  TO,
  W,
} from "../../support/numbers.ts";

beforeAll(async () => {
  await fillNumbers();
  await setPriceAndZone();
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
