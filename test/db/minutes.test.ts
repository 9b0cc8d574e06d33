import { sql } from "drizzle-orm";
import { beforeAll, expect, it } from "vitest";
import migration from "../../migrations/0011_minutes.sql?raw";
import { runQuery } from "../../src/analytics/ask.ts";
import { runRollups } from "../../src/features/rollups/run.ts";
import { HOUR_US, MINUTE_US } from "../../src/lib/time.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { runAll } from "../support/neighbour.ts";

beforeAll(useOwnDatabase);

it("a database whose newest hours were written without minutes answers for them when it is migrated", async () => {
  const ctx = testContext();
  const W = "upgrade";
  const now = Date.now() * 1000;
  const at = (us: number) => new Date(us / 1000).toISOString();
  const hour = Math.floor(now / HOUR_US) * HOUR_US;
  await runAll(
    ctx.db,
    sql`drop trigger rollup_marks_minutes on rollup_marks`,
    sql`drop function mark_minutes`,
    sql`drop table execution_metrics_minutely`,
    sql`alter table rollup_marks drop column with_minutes`,
    sql`select ensure_execution_partition(now() - h * interval '1 hour')::text from generate_series(0, 4) h`,
  );
  const write = (id: string, start: number) => [
    sql`insert into executions (workspace_id, id, agent_id, status, started_at) values (${W}, ${id}, 'a', 'success', ${at(start)})`,
    sql`insert into execution_keys values (${W}, ${id}, ${at(start)})`,
    sql`insert into rollup_marks (unit, workspace_id, bucket) values ('hour', ${W}, date_trunc('hour', ${at(start)}::timestamptz, 'UTC'))`,
  ];
  // Rows of the hour before that were rolled up, of this hour that wait, and an old one.
  await runAll(
    ctx.db,
    ...write("before", hour - 7 * MINUTE_US),
    ...write("old", hour - 4 * HOUR_US),
  );
  await runRollups(ctx, "hour");
  await runAll(ctx.db, ...write("this", hour), ...write("waiting", hour - 3 * MINUTE_US));
  await runAll(ctx.db, ...migration.split("--> statement-breakpoint").map((text) => sql.raw(text)));
  const count = async (minutes: number) =>
    (
      await runQuery(
        ctx.db,
        W,
        { measures: ["executions"], from: hour - minutes * MINUTE_US, to: now, timezone: "UTC" },
        now,
      )
    ).totals.executions;
  const counts = async () => [await count(300), await count(60), await count(30), await count(5)];
  expect(await counts()).toEqual([4, 3, 3, 2]);
  await runRollups(ctx, "minute");
  expect(await counts()).toEqual([4, 3, 3, 2]);
  // The version before goes on writing while it is replaced.
  await runAll(ctx.db, ...write("late", hour - 3 * MINUTE_US));
  expect(await counts()).toEqual([5, 4, 4, 3]);
  await runRollups(ctx, "minute");
  await runRollups(ctx, "hour");
  expect(await counts()).toEqual([5, 4, 4, 3]);
});
