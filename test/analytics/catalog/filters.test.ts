import { beforeAll, describe, expect, it } from "vitest";
import { MEASURE_NAMES } from "../../../src/analytics/catalog/measures.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { DAY_US } from "../../../src/lib/time.ts";
import { all, ask, at, CHANGES, expectValues, fillKernel, within } from "../../support/kernel.ts";
import { type RawRow, startOf } from "../../support/oracle.ts";

beforeAll(fillKernel);

describe("filters", () => {
  const range = {
    from: at(CHANGES[0] ?? "") + 90_000_000,
    to: at(CHANGES[5] ?? "") + 3 * DAY_US,
    timezone: "UTC",
  };
  const cases: [string, NonNullable<Query["filters"]>, (row: RawRow) => boolean][] = [
    ["eq", [{ field: "agent", op: "eq", value: "a1" }], (row) => row.agent_id === "a1"],
    ["ne with absent", [{ field: "model", op: "ne", value: "m1" }], (row) => row.model !== "m1"],
    [
      "in",
      [{ field: "status", op: "in", value: ["failure", "timeout"] }],
      (row) => ["failure", "timeout"].includes(row.status),
    ],
    [
      "not_in",
      [{ field: "model", op: "not_in", value: ["m1", "m2"] }],
      (row) => row.model === null || row.model === "m3",
    ],
    [
      "exists",
      [{ field: "error_type", op: "exists", value: true }],
      (row) => row.error_type !== null,
    ],
    [
      "exists false",
      [{ field: "version", op: "exists", value: false }],
      (row) => row.version === null,
    ],
    ["contains", [{ field: "model", op: "contains", value: "M" }], (row) => row.model !== null],
    [
      "numbers",
      [
        { field: "duration_ms", op: "gte", value: 20 },
        { field: "duration_ms", op: "lt", value: 500 },
      ],
      (row) => row.duration_ms !== null && row.duration_ms >= 20 && row.duration_ms < 500,
    ],
    [
      "metadata text",
      [{ field: "metadata.region", op: "eq", value: "eu" }],
      (row) => row.metadata?.region === "eu",
    ],
    [
      "metadata number",
      [{ field: "metadata.n", op: "gt", value: 1 }],
      (row) => Number(row.metadata?.n ?? 0) > 1,
    ],
    [
      "clock",
      [
        { field: "hour_of_day", op: "gte", value: 12 },
        { field: "agent", op: "eq", value: "a2" },
      ],
      (row) => row.agent_id === "a2" && new Date(startOf(row) / 1000).getUTCHours() >= 12,
    ],
    [
      "user and model",
      [
        { field: "user", op: "eq", value: "u1" },
        { field: "model", op: "exists", value: true },
      ],
      (row) => row.user_id === "u1" && row.model !== null,
    ],
  ];
  it.each(cases)("%s equals the raw rows", async (_, filters, keep) => {
    const rows = within(all, range.from, range.to).filter(keep);
    expect(rows.length).toBeGreaterThan(0);
    expectValues((await ask({ measures: MEASURE_NAMES, ...range, filters })).totals, rows);
  });

  it.each(["'; drop table executions; --", "a' or '1'='1", "$1", "\\", "%"])(
    "take %s for a value and never for SQL",
    async (value) => {
      expect(
        (
          await ask({
            measures: ["executions"],
            ...range,
            filters: [{ field: "agent", op: "eq", value }],
          })
        ).totals.executions,
      ).toBe(0);
      await expect(
        ask({
          measures: ["executions"],
          ...range,
          filters: [{ field: value, op: "eq", value: "x" }],
        }),
      ).rejects.toMatchObject({
        kind: "unprocessable",
      });
      await expect(
        ask({ measures: ["executions"], ...range, group_by: [value] }),
      ).rejects.toMatchObject({ kind: "unprocessable" });
    },
  );

  it.each([
    "metadata.x'] --",
    "metadata.'; drop table executions; --",
    "metadata.{a,b}",
    "metadata.$1",
  ])("take %s for a key and never for SQL", async (field) => {
    const filters = [{ field, op: "exists" as const, value: true }];
    const found = await ask({ measures: ["executions"], ...range, filters });
    expect(found.totals.executions).toBe(0);
    const { rows } = await ask({ measures: ["executions"], ...range, group_by: [field] });
    expect(rows.map((row) => row.group)).toEqual([{ [field]: null }]);
  });
});
