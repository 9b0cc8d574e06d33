import { beforeAll, describe, expect, it } from "vitest";
import { MEASURE_NAMES } from "../../../src/analytics/catalog/measures.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { bucketsOf } from "../../../src/analytics/time/range.ts";
import { DAY_US } from "../../../src/lib/time.ts";
import { all, ask, at, CHANGES, expectValues, fillKernel, within } from "../../support/kernel.ts";
import type { RawRow } from "../../support/oracle.ts";

beforeAll(fillKernel);

describe("groups", () => {
  const range = {
    from: at(CHANGES[0] ?? "") + 90_000_000,
    to: at(CHANGES[5] ?? "") + 3 * DAY_US,
    timezone: "UTC",
  };
  const textOf: Record<string, (row: RawRow) => string | null> = {
    agent: (row) => row.agent_id,
    user: (row) => row.user_id,
    status: (row) => row.status,
    model: (row) => row.model,
    environment: (row) => row.environment,
    version: (row) => row.version,
    error_type: (row) => row.error_type,
    "metadata.region": (row) => (row.metadata?.region as string | undefined) ?? null,
  };

  it.each([
    ["agent"],
    ["user"],
    ["status"],
    ["model"],
    ["environment"],
    ["version"],
    ["error_type"],
    ["metadata.region"],
    ["agent", "model"],
    ["user", "status"],
    ["model", "user"],
  ])("by %s %s equal the raw rows, all measures", async (...group_by) => {
    const answer = await ask({ measures: MEASURE_NAMES, ...range, group_by, limit: 1000 });
    const rows = within(all, range.from, range.to);
    const keyOf = (row: RawRow) =>
      JSON.stringify(group_by.map((name) => textOf[name]?.(row) ?? null));
    expect(
      new Set(answer.rows.map((row) => JSON.stringify(group_by.map((name) => row.group[name])))),
    ).toEqual(new Set(rows.map(keyOf)));
    for (const row of answer.rows)
      expectValues(
        row.values,
        rows.filter(
          (each) => keyOf(each) === JSON.stringify(group_by.map((name) => row.group[name])),
        ),
      );
    expectValues(answer.totals, rows);
  });

  it.each([
    "executions",
    "credits",
    "duration_p95",
    "success_rate",
    "active_users",
    "duration_avg",
  ] as const)("of the best three by %s leave an exact rest", async (measure) => {
    for (const direction of ["asc", "desc"] as const) {
      const answer = await ask({
        measures: MEASURE_NAMES,
        ...range,
        group_by: ["agent"],
        order_by: [{ measure, direction }],
        limit: 3,
      });
      const rows = within(all, range.from, range.to);
      expect(answer.rows.map((row) => row.other)).toEqual([false, false, false, true]);
      const named = answer.rows.slice(0, 3).map((row) => row.group.agent);
      expectValues(
        answer.rows[3]?.values ?? {},
        rows.filter((row) => !named.includes(row.agent_id)),
      );
      const values = answer.rows.slice(0, 3).map((row) => Number(row.values[measure]));
      expect(values).toEqual([...values].sort((a, b) => (direction === "asc" ? a - b : b - a)));
      expect(answer.rows.reduce((sum, row) => sum + Number(row.values.executions), 0)).toBe(
        rows.length,
      );
    }
  });

  it("keep the same groups in every bucket and in the compared range, empty ones filled", async () => {
    const query: Query = {
      measures: MEASURE_NAMES,
      from: at("2026-10-24T00:00:00Z"),
      to: at("2026-10-27T00:00:00Z"),
      timezone: "Europe/Berlin",
      granularity: "day",
      group_by: ["agent"],
      limit: 2,
      compare: "previous_period",
    };
    const answer = await ask(query);
    const days = bucketsOf({ from: query.from ?? 0, to: query.to ?? 0 }, "day", "Europe/Berlin");
    expect(answer.rows).toHaveLength(days.length * 3);
    const named = answer.rows.slice(0, 2).map((row) => row.group.agent);
    answer.rows.forEach((row, index) => {
      const day = days[Math.floor(index / 3)];
      const member = (each: RawRow) =>
        row.other ? !named.includes(each.agent_id) : each.agent_id === row.group.agent;
      expectValues(row.values, within(all, day?.from ?? 0, day?.to ?? 0).filter(member));
      const previous = row.comparison?.executions?.previous;
      expect(previous).toBe(0);
      expect(row.comparison?.executions?.change_ratio).toBeNull();
    });
  });
});
