import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { runQuery } from "../../../src/analytics/ask.ts";
import { rebuildRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { parseInstant } from "../../../src/lib/time.ts";
import { patientDb, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { runAll } from "../../support/neighbour.ts";

const W = "years";
const [FROM, TO] = ["2023-06-01T00:00:00Z", "2024-06-01T00:00:00Z"];
const range = { from: parseInstant(FROM) ?? 0, to: parseInstant(TO) ?? 0 };

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext({ db: patientDb() });
  // A run every 43 minutes of a year: its hours and days are rolled up, then every third run comes late.
  const runs = (prefix: string, condition: string) => sql`
    insert into executions (workspace_id, id, agent_id, user_id, status, started_at, duration_given_ms, credits)
    select ${W}, ${prefix} || n, 'a' || n % 3, 'u' || n % 7, case when n % 5 = 0 then 'failure' else 'success' end,
      ${FROM}::timestamptz + n * interval '43 minutes', n % 4000, n % 100 / 8.0
    from generate_series(0, 12224) n where ${sql.raw(condition)}`;
  await runAll(ctx.db, runs("early", "true"));
  await rebuildRollups(ctx);
  for (const unit of ["hour", "day"] as const) await runRollups(ctx, unit);
  await runAll(
    ctx.db,
    runs("late", "n % 3 = 0"),
    sql`insert into rollup_marks (unit, workspace_id, bucket)
      select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC')
      from executions where workspace_id = ${W} and id like 'late%'`,
  );
}, 120_000);

const rawRow = z.object({
  at: z.string(),
  executions: z.number(),
  failures: z.number(),
  credits: z.string(),
  p95: z.number(),
});

describe("a year of pieces with thousands of marked hours", () => {
  it.each([
    ["Asia/Kolkata", "day"],
    ["America/St_Johns", "day"],
    ["Asia/Kolkata", "hour"],
  ] as const)(
    "is answered in %s by the %s as raw SQL answers it",
    async (timezone, granularity) => {
      const ctx = testContext({ db: patientDb() });
      const bucket = sql`date_trunc(${granularity}, started_at, ${timezone})`;
      const expected = await ctx.db.all({
        sql: sql`select ${bucket} as at, count(*) as executions,
          count(*) filter (where status = 'failure') as failures,
          round(sum(credits), 6) as credits,
          percentile_disc(0.95) within group (order by duration_ms) as p95
        from executions
        where workspace_id = ${W} and started_at >= ${FROM} and started_at < ${TO}
        group by 1 order by 1`,
        row: rawRow,
      });
      const query = { ...range, timezone, granularity };
      const ask = (measures: Parameters<typeof runQuery>[2]["measures"]) =>
        runQuery(ctx.db, W, { ...query, measures }, Date.now() * 1000, true);
      const counted = await ask(["executions", "failures"]);
      const merged = await ask(["executions", "credits", "duration_p95"]);
      const rows = (answer: typeof counted) => answer.rows.filter((row) => row.values.executions);
      expect(rows(counted).map(({ values }) => [values.executions, values.failures])).toEqual(
        expected.map((row) => [row.executions, row.failures]),
      );
      expect(rows(merged).map(({ values }) => [values.executions, values.credits])).toEqual(
        expected.map((row) => [row.executions, row.credits]),
      );
      const off = rows(merged).map(({ values }, index) => {
        const p95 = expected[index]?.p95 ?? Number.NaN;
        return Math.abs(Number(values.duration_p95) - p95) <= p95 * 0.01 + 0.001;
      });
      expect(off.filter((isRight) => !isRight)).toEqual([]);
      // Marks take part, and beside the bucket of an hour in a zone of half hours so do rollups.
      expect(counted.meta.sources.raw.rows).toBeGreaterThan(4_000);
      if (granularity === "day") expect(merged.meta.sources.hourly.buckets).toBeGreaterThan(2_000);
    },
  );
});
