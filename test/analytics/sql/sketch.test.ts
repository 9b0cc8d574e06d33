import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { runQuery } from "../../../src/analytics/ask.ts";
import { sketchKey, sketchValue } from "../../../src/analytics/sql/sketch.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { storeChecked } from "../../../src/intake/items.ts";
import { HOUR_US } from "../../../src/lib/time.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

beforeAll(useOwnDatabase);

it("represents every duration within 1 %", async () => {
  const { db } = testContext();
  const durations = [0, 1, 2, 3, 10, 49, 50, 51, 99, 1000, 12_345, 999_999_999, 1_000_000_000_000];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 1_000_000_000 }), { minLength: 50, maxLength: 50 }),
      async (more) => {
        const rows = await db.all({
          sql: sql`select d, ${sketchKey(sql`d`)} as key from unnest(${sql.param([...durations, ...more])}::bigint[]) d`,
          row: z.object({ d: z.number(), key: z.number() }),
        });
        for (const { d, key } of rows)
          expect(Math.abs(sketchValue(key, 0, Number.POSITIVE_INFINITY) - d)).toBeLessThanOrEqual(
            d * 0.01 + 1e-9,
          );
      },
    ),
    { numRuns: 5 },
  );
});

describe("quantiles over rollups are within 1 % of the value at their rank", () => {
  const gauss = (n: number) =>
    Math.sqrt(-2 * Math.log(1 - ((n * 0.754877666) % 1))) *
    Math.cos(2 * Math.PI * ((n * 0.569840291) % 1));
  const shapes: [string, (n: number) => number][] = [
    ["lognormal", (n) => Math.round(Math.exp(6.5 + 1.1 * gauss(n)))],
    [
      "bimodal",
      (n) => (n % 3 ? 40 + Math.round(5 * gauss(n)) : 90_000 + Math.round(900 * gauss(n))),
    ],
    ["constant", () => 1234],
    ["heavy-tailed", (n) => Math.round(10 / (1 - ((n * 0.754877666) % 1)) ** 1.5)],
    ["with zeros", (n) => (n % 4 ? 0 : n)],
  ];
  it.each(shapes)("%s, whichever way the hours are merged", async (name, shape) => {
    const ctx = testContext();
    const workspaceId = `sketch-${name.replace(" ", "-")}`;
    const from = Date.UTC(2026, 4, 1) * 1000;
    const durations = Array.from({ length: 4000 }, (_, n) => Math.max(0, shape(n + 1)));
    const kind = executionIntake(ctx, workspaceId);
    for (let start = 0; start < durations.length; start += 1000) {
      const items = durations.slice(start, start + 1000).map((duration_ms, n) => ({
        ...{
          id: `q${start + n}`,
          agent_id: `a${n % 3}`,
          user_id: "u",
          status: "success",
          duration_ms,
        },
        started_at: new Date((from + ((start + n) % 60) * HOUR_US) / 1000).toISOString(),
      }));
      await storeChecked(
        kind,
        items.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
      );
    }
    await runRollups(ctx, "hour");
    const sorted = [...durations].sort((a, b) => a - b);
    const measures = [
      "duration_p50",
      "duration_p75",
      "duration_p90",
      "duration_p95",
      "duration_p99",
    ] as const;
    const query = { measures: [...measures], from, to: from + 60 * HOUR_US, timezone: "UTC" };
    const hourly = await runQuery(ctx.db, workspaceId, query, 0);
    await runRollups(ctx, "day");
    const daily = await runQuery(ctx.db, workspaceId, query, 0);
    expect([hourly.meta.sources.raw.rows, daily.meta.sources.daily.buckets]).toEqual([0, 2]);
    // Hours, days and any mixture hold the same counts: the same digits.
    expect(daily.totals).toEqual(hourly.totals);
    for (const [index, q] of [0.5, 0.75, 0.9, 0.95, 0.99].entries()) {
      const exact = sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN;
      const value = Number(daily.totals[measures[index] ?? "duration_p50"]);
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(exact * 0.01 + 0.001);
    }
  });
});
