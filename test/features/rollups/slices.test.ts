import { PgDialect } from "drizzle-orm/pg-core";
import { expect, it } from "vitest";
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
  // The number of hours of each transaction, and which of them are refused.
  const sizes: number[] = [];
  const dialect = new PgDialect();
  const strict = {
    ...ctx,
    db: {
      ...ctx.db,
      transaction: ((statements, options) => {
        const lists = statements.flatMap((each) => dialect.sqlToQuery(each.sql).params);
        sizes.push((lists.find(Array.isArray) as string[]).length);
        return sizes.length <= 3 ? Promise.reject(late) : ctx.db.transaction(statements, options);
      }) as typeof ctx.db.transaction,
    },
  };
  expect(await runRollups(strict, "hour")).toBe(60);
  // Two at a time: 25 hours each were too many, and 7 for one of the next two.
  expect(sizes).toEqual([25, 25, 7, 7, 2, 2, 4, 4, 8, 8, 13, 12]);
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
