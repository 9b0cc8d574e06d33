import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { connect } from "../../src/db/client.ts";
import { withSnapshot } from "../../src/db/snapshot.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";

await useOwnDatabase();
env.STATEMENT_TIMEOUT_SECONDS = "1";
const ctx = testContext();
const client = clientOf(await tokenFor("deadlines"));
const stalled: string = await (await fetch(`${env.READER}/stalled`)).json();
const none = z.unknown();
const sleeping = sql`select pg_sleep(20)::text`;
const settings = sql`select current_setting('statement_timeout') as limit`;
const limits = z.object({ limit: z.string() });

afterEach(() => vi.restoreAllMocks());

/** Runs `work` while another transaction holds the table. */
async function locked(table: string, work: () => Promise<void>): Promise<void> {
  const held = connect(env.DATABASE_URL, env.NEON_ENDPOINT, 60_000)
    .transaction(
      [
        { sql: sql`lock table ${sql.identifier(table)} in access exclusive mode`, row: none },
        { sql: sql`select pg_sleep(60)::text`, row: none },
      ],
      { isolation: "ReadCommitted" },
    )
    .catch((error: unknown) => error);
  const holder = () =>
    ctx.db.all({
      sql: sql`select pid from pg_locks where relation = ${table}::regclass and mode = 'AccessExclusiveLock' and granted`,
      row: z.object({ pid: z.number() }),
    });
  const [{ pid } = { pid: 0 }] = await vi.waitUntil(async () => {
    const rows = await holder();
    return rows.length > 0 && rows;
  });
  await work();
  await ctx.db.run(sql`select pg_terminate_backend(${pid}::int)`);
  await held;
}

describe("a statement", () => {
  it("brings its limit along in the same round trip, alone and in a transaction", async () => {
    const db = connect(env.DATABASE_URL, env.NEON_ENDPOINT, 1_234);
    const fetched = vi.spyOn(globalThis, "fetch");
    expect(await db.all({ sql: settings, row: limits })).toEqual([{ limit: "1234ms" }]);
    const [first] = await db.transaction([{ sql: settings, row: limits }], {
      isolation: "RepeatableRead",
      readOnly: true,
    });
    expect(first).toEqual([{ limit: "1234ms" }]);
    expect(fetched).toHaveBeenCalledTimes(2);
  });

  it("that takes too long is ended by the database, and said to be a timeout", async () => {
    await expect(ctx.db.all({ sql: sleeping, row: none })).rejects.toMatchObject({
      kind: "timeout",
      code: "database_timeout",
      retryAfterSeconds: undefined,
    });
    const going = await ctx.db.all({
      sql: sql`select 1 as one from pg_stat_activity where state = 'active' and query like '%pg_sleep(20)%' and pid <> pg_backend_pid()`,
      row: none,
    });
    expect(going).toEqual([]);
  });

  it("that waits for a lock does not hang its caller", async () => {
    await locked("funnels", async () => {
      const answer = await client.get("/api/v1/funnels");
      expect([answer.status, answer.body.code]).toEqual([503, "database_locked"]);
    });
    expect((await client.get("/api/v1/funnels")).status).toBe(200);
  });

  it("to an endpoint that never answers is given up", async () => {
    await expect(
      connect(env.DATABASE_URL, stalled, 100).all({ sql: settings, row: none }),
    ).rejects.toMatchObject({ kind: "unavailable", retryAfterSeconds: 5 });
    // The driver keeps its endpoint for the whole isolate.
    connect(env.DATABASE_URL, env.NEON_ENDPOINT, 101);
  });
});

describe("a session", () => {
  const run = (statement: typeof sleeping, limitMs: number) =>
    withSnapshot(
      env.DATABASE_URL,
      env.NEON_ENDPOINT,
      (db) => db.all({ sql: statement, row: z.record(z.string(), z.unknown()) }),
      limitMs,
    );

  it("limits each statement, and the time in which nobody asks anything", async () => {
    const all = sql`select current_setting('statement_timeout') as one,
      current_setting('lock_timeout') as lock,
      current_setting('idle_in_transaction_session_timeout') as idle`;
    expect(await run(all, 120_000)).toEqual([{ one: "2min", lock: "3s", idle: "4min" }]);
    await expect(run(sleeping, 200)).rejects.toMatchObject({ code: "database_timeout" });
  });

  it("whose connection is cut is a database that cannot be reached", async () => {
    const cut = sql`select pg_terminate_backend(pg_backend_pid())`;
    await expect(run(cut, 5_000)).rejects.toMatchObject({
      kind: "unavailable",
      code: "database_unavailable",
    });
  });
});

describe("a failure of the database", () => {
  const said = async (answer: () => Response | Error) => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => {
      const given = answer();
      if (given instanceof Error) throw given;
      return given as never;
    });
    const outcome = await ctx.db.all({ sql: settings, row: none }).catch((error) => error);
    return [outcome.kind, outcome.code, outcome.retryAfterSeconds];
  };
  const proxy =
    (code: string, message = "words", status = 400) =>
    () =>
      Response.json({ code, message, severity: "ERROR" }, { status });

  it.each([
    ["57014", ["timeout", "database_timeout", undefined]],
    ["53100", ["full", "database_full", undefined]],
    ["53200", ["unavailable", "database_busy", 10]],
    ["53300", ["unavailable", "database_busy", 10]],
    ["55P03", ["unavailable", "database_locked", 5]],
    ["57P01", ["unavailable", "database_unavailable", 5]],
    ["57P03", ["unavailable", "database_unavailable", 5]],
    ["08006", ["unavailable", "database_unavailable", 5]],
    ["28P01", ["unavailable", "database_refused", undefined]],
    ["22P05", ["unprocessable", "invalid_text", undefined]],
    ["", ["unavailable", "database_unavailable", 5]],
  ])("with SQLSTATE '%s' has its own words", async (state, expected) => {
    expect(await said(proxy(state))).toEqual(expected);
  });

  it("that waiting does not mend asks for no second try", async () => {
    expect(await said(proxy("", "response is too large (max is 67108864 bytes)", 507))).toEqual([
      "unprocessable",
      "answer_too_large",
      undefined,
    ]);
    expect(await said(() => new Error("Too many subrequests by single Worker invocation"))).toEqual(
      ["unprocessable", "too_many_statements", undefined],
    );
    expect(await said(proxy("", "Your project has exceeded the data transfer quota"))).toEqual([
      "unavailable",
      "database_quota",
      undefined,
    ]);
  });

  it("that is a race is run again, and told when it is lost each time", async () => {
    let tries = 0;
    const lose = (times: number) => () =>
      ++tries > times
        ? Response.json({ results: [{ fields: [], rows: [] }] })
        : proxy(tries % 2 ? "40001" : "40P01")();
    expect(await said(lose(3))).toEqual([undefined, undefined, undefined]);
    tries = 0;
    expect(await said(lose(99))).toEqual(["unavailable", "database_contended", 1]);
  });
});

describe("a text that ends in half of a character", () => {
  const half = "x\ud83d";

  it("is never sent, alone, in a list, or to a session", async () => {
    const fetched = vi.spyOn(globalThis, "fetch");
    const refused = { kind: "unprocessable", code: "invalid_text" };
    for (const statement of [sql`select ${half}::text`, sql`select ${sql.param([half])}::text[]`])
      await expect(ctx.db.all({ sql: statement, row: none })).rejects.toMatchObject(refused);
    expect(fetched).not.toHaveBeenCalled();
    const session = withSnapshot(env.DATABASE_URL, env.NEON_ENDPOINT, (db) =>
      db.all({ sql: sql`select ${half}::text`, row: none }),
    );
    await expect(session).rejects.toMatchObject(refused);
  });

  it("is a fault of what was asked when it hides in a document", async () => {
    for (const text of [half, "\0"]) {
      const document = sql`select ${JSON.stringify({ text })}::jsonb`;
      await expect(ctx.db.all({ sql: document, row: none })).rejects.toMatchObject({
        kind: "unprocessable",
        code: "invalid_text",
      });
    }
  });
});
