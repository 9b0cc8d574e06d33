import pg from "pg";
import { afterAll, expect, it, vi } from "vitest";
import { localFolder, STARTS_MS } from "./support/local.ts";

const folder = localFolder("stuck");
vi.setConfig({ testTimeout: STARTS_MS, hookTimeout: STARTS_MS });
afterAll(() => folder.remove());
/** More than the local instance has connections. */
const QUESTIONS = 40;

it("A table that somebody locks stops neither other requests nor the word of /ready", async () => {
  const { url, token } = await folder.start();
  const headers = { authorization: `Bearer ${token}` };
  const ask = async (path: string) => {
    const answer = await fetch(`${url}${path}`, { headers });
    return { status: answer.status, body: await answer.json() };
  };
  expect((await ask("/api/v1/funnels")).status).toBe(200);
  const holder = new pg.Client({ connectionString: folder.databaseUrl() });
  await holder.connect();
  await holder.query("begin; lock table funnels in access exclusive mode");
  const stuck = Array.from({ length: QUESTIONS }, () => ask("/api/v1/funnels"));
  await vi.waitUntil(async () => {
    const { rows } = await holder.query("select from pg_locks where not granted");
    return rows.length >= 32;
  }, 20_000);

  const [ready, other] = await Promise.all([ask("/ready"), ask("/api/v1/executions")]);
  expect(other.status).toBe(200);
  expect(ready).toMatchObject({
    status: 503,
    body: {
      checks: expect.arrayContaining(
        [{ name: "database", code: "database_busy" }].map((check) =>
          expect.objectContaining(check),
        ),
      ),
    },
  });
  for (const { status, body } of await Promise.all(stuck))
    expect([status, body.code]).toEqual([503, "database_locked"]);
  await holder.end();
  expect((await ask("/api/v1/funnels")).status).toBe(200);
  expect((await ask("/ready")).status).toBe(200);
});
