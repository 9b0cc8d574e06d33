import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { z } from "zod";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

await useOwnDatabase();
const ctx = testContext();
const [W, DAY_MS] = ["today", 86_400_000];
const todayMs = Math.floor(Date.now() / DAY_MS) * DAY_MS;

const storeAt = (id: string, ms: number) =>
  store(executionIntake(ctx, W), [
    { id, agent_id: "a", user_id: "u", status: "success", started_at: new Date(ms).toISOString() },
  ]);

/** Days with rolled-up sessions, as places from today. */
async function rolledDays(): Promise<number[]> {
  const rows = await ctx.db.all({
    sql: sql`select bucket from sessions_daily where workspace_id = ${W} order by bucket`,
    row: z.object({ bucket: z.string() }),
  });
  return rows.map(({ bucket }) => (Date.parse(bucket) - todayMs) / DAY_MS);
}

it("sessions of today wait while an hour of today has a mark, and those of other days do not", async () => {
  await storeAt("yesterday", todayMs - DAY_MS);
  await storeAt("today", todayMs);
  await runRollups(ctx, "hour");
  await storeAt("yesterday-late", todayMs - DAY_MS + 1);
  await storeAt("today-late", todayMs + 1);
  await runRollups(ctx, "session");
  expect(await rolledDays()).toEqual([-1]);
  await runRollups(ctx, "hour");
  await runRollups(ctx, "session");
  expect(await rolledDays()).toEqual([-1, 0]);
});
