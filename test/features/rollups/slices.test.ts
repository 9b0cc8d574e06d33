import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { z } from "zod";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { reconcileRollups, runRollups } from "../../../src/features/rollups/run.ts";
import { rollupSlices } from "../../../src/features/rollups/slices.ts";
import { AppError } from "../../../src/lib/errors.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

await useOwnDatabase();

it("slices grow while they are quick, shrink when they are slow, and stay inside their bounds", () => {
  const slices = rollupSlices("hour");
  const sizes = [100, 100, 100, 100, 100, 100, 2000, 9000, 9000].map((ms) => {
    slices.took(ms);
    return slices.size;
  });
  expect(sizes).toEqual([50, 100, 200, 400, 400, 400, 400, 200, 100]);
  for (let slow = 0; slow < 20; slow++) slices.took(60_000);
  expect(slices.size).toBe(1);
});

it("buckets that are too many for one transaction are rolled up by fewer, and none is lost", async () => {
  const ctx = testContext();
  const runs = Array.from({ length: 60 }, (_, n) => ({
    id: `s${n}`,
    agent_id: "a",
    status: "success",
    started_at: new Date(Date.parse("2026-03-01T00:00:00Z") + n * 3_600_000).toISOString(),
  }));
  await store(executionIntake(ctx, "slices"), runs);
  const late = new AppError("timeout", "database_timeout", "The database took too long for this.");
  const sizes: number[] = [];
  // How many hours had a mark before each transaction.
  const transaction: typeof ctx.db.transaction = async (statements, options) => {
    const { marks } = await ctx.db.one({
      sql: sql`select count(*)::int as marks from rollup_marks where unit = 'hour'`,
      row: z.object({ marks: z.number() }),
    });
    const results = await ctx.db.transaction(statements, options);
    sizes.push(marks);
    return results;
  };
  let refused = 0;
  const strict = {
    ...ctx,
    db: {
      ...ctx.db,
      transaction: ((statements, options) => {
        if (refused < 2) {
          refused++;
          return Promise.reject(late);
        }
        return transaction(statements, options);
      }) as typeof ctx.db.transaction,
    },
  };
  expect(await runRollups(strict, "hour")).toBe(60);
  expect(refused).toBe(2);
  // 25 and 7 were too many; then 2, 4, 8 and so on.
  expect(sizes.slice(0, 4)).toEqual([60, 58, 54, 46]);
  expect(await reconcileRollups(ctx)).toBe(0);
});

it("a single bucket that takes too long is a failure that is said", async () => {
  const ctx = testContext();
  await store(executionIntake(ctx, "slices"), [
    { id: "one", agent_id: "a", status: "success", started_at: "2026-03-09T00:00:00Z" },
  ]);
  const late = new AppError("timeout", "database_timeout", "The database took too long for this.");
  const failing = { ...ctx, db: { ...ctx.db, transaction: () => Promise.reject(late) } };
  await expect(runRollups(failing, "hour")).rejects.toBe(late);
});
