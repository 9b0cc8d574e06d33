import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { z } from "zod";
import { clientOf } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

await useOwnDatabase();
const client = clientOf("");
const none = z.unknown();

async function failing(): Promise<{ name: string; code?: string; detail?: string }[]> {
  const answer = await client.get("/ready");
  const checks = answer.body.checks as { name: string; ok: boolean; code?: string }[];
  const wrong = checks.filter(({ ok }) => !ok);
  expect(answer.status).toBe(wrong.length > 0 ? 503 : 200);
  return wrong;
}

it("/ready compares the schema of the database with the one that the code is for", async () => {
  const run = (statement: ReturnType<typeof sql>) =>
    testContext().db.all({ sql: statement, row: none });
  expect(await failing()).toEqual([]);
  await run(sql`insert into drizzle.__drizzle_migrations (hash, created_at)
    values ('later', 4102444800000)`);
  expect(await failing()).toMatchObject([{ name: "database", code: "schema_newer" }]);
  await run(sql`delete from drizzle.__drizzle_migrations where created_at > 1795469222466`);
  expect(await failing()).toMatchObject([
    { name: "database", code: "schema_older", detail: expect.stringContaining("db:migrate") },
  ]);
  await run(sql`drop table drizzle.__drizzle_migrations`);
  expect(await failing()).toMatchObject([{ name: "database", code: "schema_older" }]);
});

it("/ready answers 503 and names the database when that accepts connections and never answers", async () => {
  env.NEON_ENDPOINT = await (await fetch(`${env.READER}/stalled`)).json();
  expect((await failing()).map(({ name }) => name)).toEqual(["database"]);
  expect((await client.get("/health")).status).toBe(200);
});
