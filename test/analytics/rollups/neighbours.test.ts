import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { rebuildRollups, reconcileRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { patientDb, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { keepStatistics, runAll, STATISTICS, settleNeighbour } from "../../support/neighbour.ts";
import { expectCheap, measured } from "../../support/plans.ts";
import { store } from "../../support/store.ts";

const UNITS = ["minute", "hour", "day", "session"] as const;
const ROWS = 300;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext({ db: patientDb() });
  await settleNeighbour(ctx.db);
  await rebuildRollups(ctx);
  for (const unit of UNITS) await runRollups(ctx, unit);
}, 120_000);

describe.each(STATISTICS)("with %s statistics, beside a neighbour of 60,000 rows", (statistics) => {
  const W = `newcomer-${statistics}`;

  it("a run of rollups reads the rows of its buckets", async () => {
    const ctx = testContext({ db: patientDb() });
    await keepStatistics(ctx.db, statistics);
    const at = (index: number) =>
      new Date(Date.parse("2026-10-20T00:00:00Z") + index * 150_000).toISOString();
    const runs = Array.from({ length: ROWS }, (_, n) => ({
      id: `r${n}`,
      agent_id: `a${n % 3}`,
      user_id: `u${n % 5}`,
      status: "success",
      started_at: at(n),
      duration_ms: n,
    }));
    await store(executionIntake(ctx, W), runs);
    await store(
      eventIntake(ctx, W),
      runs.map(({ id, user_id, started_at }) => ({
        id,
        event_type: "open",
        user_id,
        occurred_at: started_at,
      })),
    );
    const watched = await measured(ctx.db);
    for (let round = 0; round < 2; round++) {
      for (const unit of UNITS) await runRollups({ ...ctx, db: watched.db }, unit);
      // The second time there is something to replace.
      await runAll(
        ctx.db,
        sql`insert into rollup_marks (unit, workspace_id, bucket) select distinct 'hour', workspace_id, date_trunc('hour', started_at, 'UTC') from executions where workspace_id = ${W}`,
      );
    }
    for (const unit of UNITS) await runRollups(ctx, unit);
    expectCheap(watched.costs, 12_000, 80_000);
  });

  it("reconciling draws few pages of its tables, and finds no difference", async () => {
    const ctx = testContext({ db: patientDb() });
    const watched = await measured(ctx.db);
    expect(await reconcileRollups({ ...ctx, db: watched.db }, 5)).toBe(0);
    const draws = watched.costs.filter(({ text }) => text.includes("tablesample"));
    expect(draws).toHaveLength(UNITS.length);
    // Ten pages of each of three tables; the keys alone have hundreds.
    expectCheap(draws, 100, 8_000);
    // Ten days of the neighbour, of which each has 1,080 runs, 500 users and 50 agents. Tiny statistics let PostgreSQL skip from
    // user to user to find a day: more pages, no more rows.
    expectCheap(
      watched.costs.filter(({ text }) => text.trimStart().startsWith("insert")),
      statistics === "tiny" ? 120_000 : 20_000,
      3_000_000,
    );
  });
});
