import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import migration from "../../../migrations/0010_sketch_sums.sql?raw";
import { runQuery } from "../../../src/analytics/ask.ts";
import {
  packedCells,
  quantileKeys,
  sketchKey,
  sketchValue,
  unpackSketch,
} from "../../../src/analytics/sql/sketch.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { reconcileRollups, runRollups } from "../../../src/features/rollups/run.ts";
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

it("is packed into one number that adds up, and unpacked again", async () => {
  const { db } = testContext();
  const most = 10 ** 12 - 1;
  const cells = fc.uniqueArray(
    fc.record({
      key: fc.integer({ min: -1, max: 1900 }),
      count: fc.oneof(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: Math.floor(most / 2) }),
      ),
    }),
    { selector: ({ key }) => key, minLength: 1, maxLength: 400 },
  );
  await fc.assert(
    fc.asyncProperty(cells, cells, async (a, b) => {
      const list = [...a, ...b];
      const { digits } = await db.one({
        sql: sql`select sum(${packedCells(sql`c.key`, sql`c.n`)})::text as digits
          from unnest(${sql.param(list.map(({ key }) => key))}::int[],
            ${sql.param(list.map(({ count }) => count))}::bigint[]) c(key, n)`,
        row: z.object({ digits: z.string() }),
      });
      const merged = new Map<number, number>();
      for (const { key, count } of list) merged.set(key, (merged.get(key) ?? 0) + count);
      const expected = [...merged].sort(([x], [y]) => x - y);
      expect(unpackSketch(digits).map(({ key, count }) => [key, count])).toEqual(expected);
    }),
    { numRuns: 20 },
  );
});

it("has each quantile where percentile_disc has it", async () => {
  const { db } = testContext();
  const quantiles = [0.5, 0.75, 0.9, 0.95, 0.99];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -1, max: 60 }), { minLength: 1, maxLength: 1000 }),
      async (keys) => {
        const { found } = await db.one({
          sql: sql`select percentile_disc(${sql.param(quantiles)}::float8[])
              within group (order by k) as found
            from unnest(${sql.param(keys)}::int[]) k`,
          row: z.object({ found: z.array(z.number()) }),
        });
        const cells = [...new Set(keys)]
          .sort((a, b) => a - b)
          .map((key) => ({ key, count: keys.filter((each) => each === key).length }));
        expect(quantileKeys(cells, quantiles)).toEqual(found);
      },
    ),
    { numRuns: 60 },
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
    // Groups are merged by PostgreSQL, the total alone is packed: one sketch, the same digits.
    const group_by = ["agent"];
    const ofGroups = await runQuery(ctx.db, workspaceId, { ...query, group_by, sketches: true }, 0);
    const packed = await runQuery(ctx.db, workspaceId, { ...query, sketches: true }, 0);
    expect(packed.totals).toEqual(ofGroups.totals);
    expect(packed.totalsSketch).toEqual(ofGroups.totalsSketch);
    expect(packed.totalsSketch?.reduce((sum, { count }) => sum + count, 0)).toBe(4000);
    for (const [index, q] of [0.5, 0.75, 0.9, 0.95, 0.99].entries()) {
      const exact = sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN;
      const value = Number(daily.totals[measures[index] ?? "duration_p50"]);
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(exact * 0.01 + 0.001);
    }
  });
});

it("a database without packed sketches has them after the migration", async () => {
  const ctx = testContext();
  const tables = ["execution_metrics_daily", "execution_metrics_hourly", "user_activity_daily"];
  const packed = () =>
    ctx.db.one({
      sql: sql`select count(sketch_sum)::int as dense, count(*)::int as every
        from execution_metrics_hourly`,
      row: z.object({ dense: z.number(), every: z.number() }),
    });
  const before = await packed();
  expect(before.dense).toBeGreaterThan(50);
  expect(before.every).toBeGreaterThan(before.dense);
  // As the migration found it.
  for (const table of tables)
    await ctx.db.run(sql`alter table ${sql.identifier(table)} drop column sketch_sum`);
  for (const text of migration.split("--> statement-breakpoint")) await ctx.db.run(sql.raw(text));
  expect(await packed()).toEqual(before);
  expect(await reconcileRollups(ctx)).toBe(0);
});
