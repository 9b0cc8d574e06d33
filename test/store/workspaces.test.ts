import { expect, it } from "vitest";
import { changeSettings, zoneIn } from "../../src/store/workspaces.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

await useOwnDatabase();
const ctx = testContext();

it("a workspace's zone is read once in five seconds, and anew after a change", async () => {
  let reads = 0;
  const maybe: typeof ctx.db.maybe = (statement) => {
    reads++;
    return ctx.db.maybe(statement);
  };
  const counted = { db: { ...ctx.db, maybe } };
  for (let asked = 0; asked < 5; asked++) expect(await zoneIn(counted, "w", undefined)).toBe("UTC");
  expect(reads).toBe(1);
  await changeSettings(ctx, "w", { timezone: "Asia/Kolkata" });
  expect(await zoneIn(counted, "w", undefined)).toBe("Asia/Kolkata");
  expect(await zoneIn(counted, "other", undefined)).toBe("UTC");
  expect(await zoneIn(counted, "w", "Europe/Berlin")).toBe("Europe/Berlin");
  expect(reads).toBe(3);
});

it("what was read before a change is not remembered after it", async () => {
  const [begun, changed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const maybe: typeof ctx.db.maybe = async (statement) => {
    const row = await ctx.db.maybe(statement);
    begun.resolve();
    await changed.promise;
    return row;
  };
  const early = zoneIn({ db: { ...ctx.db, maybe } }, "raced", undefined);
  await begun.promise;
  await changeSettings(ctx, "raced", { timezone: "America/New_York" });
  changed.resolve();
  expect(await early).toBe("UTC");
  expect(await zoneIn(ctx, "raced", undefined)).toBe("America/New_York");
});
