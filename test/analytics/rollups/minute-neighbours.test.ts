import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { runQuery } from "../../../src/analytics/ask.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { insertMarks } from "../../../src/analytics/rollups/marks.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { HOUR_US, MINUTE_US } from "../../../src/lib/time.ts";
import { patientDb, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { keepStatistics, NEIGHBOUR, runAll, STATISTICS } from "../../support/neighbour.ts";
import { expectCheap, measured } from "../../support/plans.ts";
import { store } from "../../support/store.ts";

const NOW = Date.now() * 1000;
const ROWS = 300;

/** A neighbour of 60,000 rows in the last forty minutes, all of which have ended and are rolled up. */
beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext({ db: patientDb() });
  await runAll(
    ctx.db,
    sql`select ensure_execution_partition(now() - h * interval '1 hour')::text from generate_series(0, 1) h`,
    sql`insert into executions (workspace_id, id, agent_id, user_id, status, started_at, duration_given_ms)
      select ${NEIGHBOUR}, 'n' || n, 'agent-' || n % 50, 'user-' || n % 500, case when n % 7 = 0 then 'failure' else 'success' end,
        date_trunc('minute', now()) - interval '40 minutes' + n * interval '40 milliseconds', n % 5000
      from generate_series(0, 59999) n`,
    sql`insert into execution_keys select workspace_id, id, started_at from executions`,
    insertMarks("hour", "started_at", sql`executions`),
  );
  await runRollups(ctx, "minute");
}, 120_000);

describe.each(STATISTICS)("with %s statistics, beside a busy neighbour", (statistics) => {
  const W = `newcomer-${statistics}`;

  it("a run of minutes reads the rows of its minutes, and a question up to now its own", async () => {
    const ctx = testContext({ db: patientDb() });
    await keepStatistics(ctx.db, statistics);
    const runs = Array.from({ length: ROWS }, (_, n) => ({
      id: `r${n}`,
      agent_id: `a${n % 3}`,
      user_id: `u${n % 5}`,
      status: n % 4 === 0 ? "failure" : "success",
      started_at: new Date((NOW - 2 * MINUTE_US - n * 4_000_000) / 1000).toISOString(),
      duration_ms: n,
    }));
    await store(executionIntake(ctx, W), runs);
    const watched = await measured(ctx.db);
    const query: Query = {
      measures: ["executions", "duration_p95", "active_users"],
      from: NOW - 24 * HOUR_US,
      to: NOW,
      timezone: "Asia/Kolkata",
    };
    for (const asked of [query, { ...query, group_by: ["agent"] }]) {
      const answer = await runQuery(watched.db, W, asked, NOW);
      expect(answer.totals.executions).toBe(ROWS);
    }
    await runRollups({ ...ctx, db: watched.db }, "minute");
    await ctx.db.run(
      insertMarks(
        "hour",
        "started_at",
        sql`(select * from executions where workspace_id = ${W}) own`,
      ),
    );
    for (const asked of [query, { ...query, group_by: ["agent"] }]) {
      const answer = await runQuery(watched.db, W, asked, NOW);
      expect(answer.totals.executions).toBe(ROWS);
    }
    // The second time there is something to replace.
    await runRollups({ ...ctx, db: watched.db }, "minute");
    for (const asked of [query, { ...query, group_by: ["agent"] }]) {
      const answer = await runQuery(watched.db, W, asked, NOW);
      expect(answer.meta.sources.raw.rows).toBe(0);
    }
    expectCheap(watched.costs, 6_000, 40_000);
  });
});
