import { beforeAll, describe, expect, it } from "vitest";
import {
  by,
  data,
  expectMeasures,
  fillNumbers,
  micros,
  rows,
  setPriceAndZone,
  W,
} from "../../support/numbers.ts";

beforeAll(async () => {
  await fillNumbers();
  await setPriceAndZone();
});

describe("a workspace", () => {
  it("has a health whose parts add up to it", async () => {
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
});
