import { beforeAll, describe, expect, it } from "vitest";
import { runQuery } from "../../src/analytics/ask.ts";
import { MEASURE_NAMES } from "../../src/analytics/catalog/measures.ts";
import type { Query } from "../../src/analytics/query.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { storeChecked } from "../../src/intake/items.ts";
import { DAY_US, HOUR_US, MINUTE_US } from "../../src/lib/time.ts";
import { all, ask, at, CHANGES, ctx, expectValues, fillKernel, within } from "../support/kernel.ts";
import { measured, startOf } from "../support/oracle.ts";

beforeAll(fillKernel);

describe("answers", () => {
  it("refuse more rows or values than an isolate can hold", async () => {
    const range = {
      from: at(CHANGES[0] ?? ""),
      to: at(CHANGES[0] ?? "") + 9_000 * MINUTE_US,
      timezone: "UTC",
      granularity: "minute" as const,
    };
    const refused = { kind: "unprocessable", code: "too_many_rows" };
    await expect(
      ask({ measures: ["executions"], ...range, group_by: ["agent"], limit: 2 }),
    ).rejects.toMatchObject(refused);
    await expect(ask({ measures: MEASURE_NAMES, ...range })).rejects.toMatchObject(refused);
    await expect(
      ask({ measures: MEASURE_NAMES.slice(0, 12), ...range, compare: "previous_period" }),
    ).rejects.toMatchObject(refused);
    expect((await ask({ measures: MEASURE_NAMES.slice(0, 20), ...range })).rows).toHaveLength(
      9_000,
    );
  });

  it("read no raw row where rollups cover the range, and say which table answered each piece", async () => {
    const range = {
      from: at("2026-10-24T00:00:00Z"),
      to: at("2026-10-26T05:00:00Z"),
      timezone: "UTC",
    };
    const answer = await ask({ measures: ["executions", "duration_p95"], ...range }, true);
    expect(answer.meta.sources).toEqual({
      daily: { buckets: 2 },
      hourly: { buckets: 5 },
      raw: { rows: 0 },
    });
    expect(answer.meta.plan).toMatchObject({
      daily: {
        table: "execution_metrics_daily",
        grain: "total",
        pieces: [{ from: "2026-10-24T00:00:00.000Z", to: "2026-10-26T00:00:00.000Z" }],
      },
      hourly: {
        table: "execution_metrics_hourly",
        grain: "total",
        pieces: [{ from: "2026-10-26T00:00:00.000Z", to: "2026-10-26T05:00:00.000Z" }],
      },
      raw: { pieces: [] },
    });
    expect(answer.meta).toMatchObject({
      exact: false,
      relative_error: 0.01,
      relative_errors: { executions: 0, duration_p95: 0.01 },
    });
  });

  it("say which marked hours and days fell to raw rows", async () => {
    const from = at("2026-04-03T00:00:00Z");
    const answer = await ask(
      { measures: ["executions"], from, to: from + 2 * DAY_US, timezone: "UTC" },
      true,
    );
    const { daily, hourly, raw } = answer.meta.plan as Record<
      "daily" | "hourly" | "raw",
      { pieces: { from: string; to: string }[] }
    >;
    expect(daily.pieces).toEqual([]);
    const covered = [...hourly.pieces, ...raw.pieces]
      .map((piece) => [at(piece.from), at(piece.to)])
      .sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    expect(covered[0]?.[0]).toBe(from);
    expect(covered.at(-1)?.[1]).toBe(from + 2 * DAY_US);
    for (const [index, piece] of covered.slice(1).entries())
      expect(piece[0]).toBe(covered[index]?.[1]);
    const rows = raw.pieces.reduce(
      (sum, piece) => sum + within(all, at(piece.from), at(piece.to)).length,
      0,
    );
    expect([rows, answer.meta.sources.raw.rows]).toEqual([
      within(all, from, from + 2 * DAY_US).length,
      rows,
    ]);
  });

  it("order groups by the exact percentile where it is exact", async () => {
    const kind = executionIntake(ctx, "kernel-order");
    const items = [10_000, 10_060, 10_100].map((duration_ms, n) => ({
      id: `o${n}`,
      agent_id: `a${n}`,
      user_id: "u",
      status: "success",
      started_at: "2026-10-01T00:00:00Z",
      duration_ms,
    }));
    await storeChecked(
      kind,
      items.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
    );
    const query: Query = {
      measures: ["duration_p95"],
      from: at("2026-10-01T00:00:00Z"),
      to: at("2026-10-02T00:00:00Z"),
      timezone: "UTC",
      group_by: ["agent"],
      limit: 1,
    };
    const best = await runQuery(ctx.db, "kernel-order", query, 0);
    expect(best.rows[0]).toMatchObject({
      group: { agent: "a2" },
      values: { duration_p95: 10_100 },
    });
  });

  it("are exact where only raw rows took part", async () => {
    const from = at("2026-04-04T00:00:00Z");
    const answer = await ask({
      measures: MEASURE_NAMES,
      from,
      to: from + 7 * HOUR_US,
      timezone: "UTC",
    });
    expect(answer.meta).toMatchObject({ exact: true, relative_error: 0 });
    const expected = measured(within(all, from, from + 7 * HOUR_US));
    for (const name of ["duration_p50", "duration_p90", "duration_p99"] as const)
      expect(answer.totals[name]).toBe(expected[name]);
  });

  it("say until when nothing was open or waiting", async () => {
    const { meta } = await ask({ measures: ["executions"], timeframe: "7d", timezone: "UTC" });
    const open = all.filter((row) => row.status === "running").map(startOf);
    expect(at(meta.complete_until)).toBe(Math.min(...open));
    expect(Math.abs(at(meta.as_of) / 1000 - Date.now())).toBeLessThan(60_000);
  });

  it("of an empty range are null where 0 would be a claim", async () => {
    const { totals, rows } = await ask({
      measures: MEASURE_NAMES,
      from: at("2020-01-01T00:00:00Z"),
      to: at("2020-01-03T00:00:00Z"),
      timezone: "UTC",
      granularity: "day",
    });
    expectValues(totals, []);
    expect(rows).toHaveLength(2);
    expect(totals).toMatchObject({
      executions: 0,
      success_rate: null,
      duration_p50: null,
      credits: "0.000000",
      credits_avg: null,
      active_users: 0,
    });
  });

  it("never include another workspace", async () => {
    const other = await runQuery(
      ctx.db,
      "kernel-other",
      { measures: MEASURE_NAMES, timeframe: "1y", timezone: "UTC" },
      Date.now() * 1000,
    );
    expect(other.totals.executions).toBe(0);
  });
});
