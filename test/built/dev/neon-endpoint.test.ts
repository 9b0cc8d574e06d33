import { neon, neonConfig } from "@neondatabase/serverless";
import { afterAll, beforeAll, expect, inject, it, vi } from "vitest";
import { startNeonEndpoint } from "../../../dev/neon-endpoint.ts";

const databaseUrl = inject("databaseUrl");
const mark = `endpoint-${process.pid}`;
let endpoint: Awaited<ReturnType<typeof startNeonEndpoint>>;
beforeAll(async () => {
  endpoint = await startNeonEndpoint(databaseUrl, { connections: 3, waitMs: 300 });
  neonConfig.fetchEndpoint = () => `http://127.0.0.1:${endpoint.port}/sql`;
});
afterAll(() => endpoint.stop());

const sql = neon(databaseUrl);
/** Statements of this file that still run, as another connection to the server sees them. */
const running = async () => {
  const direct = neon(databaseUrl);
  neonConfig.fetchEndpoint = () => `${inject("neonEndpoint")}/sql`;
  const rows = await direct.query(
    `select pid from pg_stat_activity
     where state = 'active' and query like $1 and pid <> pg_backend_pid()`,
    [`%pg_sleep(30) /* ${mark} */%`],
  );
  neonConfig.fetchEndpoint = () => `http://127.0.0.1:${endpoint.port}/sql`;
  return rows.length;
};

function stuck() {
  const leave = new AbortController();
  const outcome = sql
    .query(`select pg_sleep(30) /* ${mark} */`, [], { fetchOptions: { signal: leave.signal } })
    .then(
      () => "answered",
      () => "gone",
    );
  return { leave: () => leave.abort(), outcome };
}

it("the endpoint says that all connections are busy, and cancels the statements of callers that left", async () => {
  const held = [stuck(), stuck(), stuck()];
  await vi.waitUntil(async () => (await running()) === 3, 10_000);
  await expect(sql.query("select 1")).rejects.toMatchObject({
    code: "53300",
    message: "All 3 connections to the database are busy.",
  });
  for (const { leave } of held) leave();
  expect(await Promise.all(held.map(({ outcome }) => outcome))).toEqual(["gone", "gone", "gone"]);
  await vi.waitUntil(async () => (await running()) === 0, 10_000);
  expect(await sql.query("select 1 as one")).toEqual([{ one: 1 }]);
});

it("the endpoint gives the next statement a connection that no late cancellation can reach", async () => {
  for (let round = 0; round < 10; round++) {
    const { leave, outcome } = stuck();
    setImmediate(leave);
    const [answer] = await sql.query("select count(*)::int as rows from generate_series(1, 20000)");
    expect(answer).toEqual({ rows: 20_000 });
    expect(await outcome).toBe("gone");
  }
  await vi.waitUntil(async () => (await running()) === 0, 10_000);
});

it("a transaction of the endpoint is stored as a whole or not at all, wherever it fails", async () => {
  const name = `endpoint_${process.pid}`;
  await sql.query(`create table ${name} (id int primary key)`);
  const insert = (id: number) => sql.query(`insert into ${name} values ($1)`, [id]);
  const stored = () => sql.query(`select array_agg(id order by id) as ids from ${name}`);
  try {
    await sql.transaction([insert(1), insert(2), sql.query("select 1")]);
    for (const failing of [
      [insert(3), insert(1), insert(4)],
      [sql.query("select 1 / 0"), insert(5)],
      [insert(6), sql.query("this is no statement")],
    ])
      await expect(sql.transaction(failing)).rejects.toMatchObject({
        code: expect.stringMatching(/^(23505|22012|42601)$/),
      });
    expect(await stored()).toEqual([{ ids: [1, 2] }]);
    const [, answered] = await sql.transaction([insert(7), sql.query("select 'x' as x")], {
      isolationLevel: "Serializable",
    });
    expect(answered).toEqual([{ x: "x" }]);
    await expect(sql.transaction([insert(8)], { readOnly: true })).rejects.toMatchObject({
      code: "25006",
    });
    // The key is checked by the COMMIT alone.
    await sql.query(`alter table ${name} drop constraint ${name}_pkey,
      add constraint ${name}_key unique (id) deferrable initially deferred`);
    await expect(sql.transaction([insert(7), sql.query("select 1")])).rejects.toMatchObject({
      code: "23505",
    });
    expect(await stored()).toEqual([{ ids: [1, 2, 7] }]);
  } finally {
    await sql.query(`drop table ${name}`);
  }
});
