import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { SignJWT } from "jose";
import pg from "pg";
import { migrate } from "./migrate.ts";
import { freePort } from "./ports.ts";
import { buildWorker, startWorker, withLocalEntry } from "./worker.ts";

/**
 * The moment of every recording, so that any two can be compared: a Thursday soon after the clock
 * changes of America and Europe, far enough that no alarm of the runtime is due.
 */
export const BASE_MS = Date.parse("2031-04-03T14:23:45.678Z");
const SECRET = "recorded-secret-of-at-least-32-characters";
const PUBLIC_URL = "https://analytics.example.com";
const STOP_MS = 30_000;
/** Beyond the time that a recording moves on to. */
const TOKEN_SECONDS = 365 * 86_400;

export interface RecordedInstance {
  url: string;
  /** Rows that no request can make. */
  database: pg.Client;
  /** The time of the Worker and of its database, in milliseconds. @returns what was set */
  setClock(atMs: number): Promise<number>;
  /** Runs a cron of wrangler.toml. @throws Error with its answer when it fails */
  cron(expression: string): Promise<void>;
  token(claims: Record<string, unknown>): Promise<string>;
  close(): Promise<void>;
}

interface ThrowAway {
  databaseUrl: string;
  neonEndpoint: string;
  stop(): Promise<void>;
}

/** dev/throw-away.ts, which also ends when we are killed. */
async function startThrowAway(): Promise<ThrowAway> {
  const script = path.join(import.meta.dirname, "throw-away.ts");
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const failed = once(child, "exit").then(() => {
    throw new Error("PostgreSQL did not start.");
  });
  failed.catch(() => undefined);
  const line = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const [said] = await Promise.race([line, failed]);
  return {
    ...(JSON.parse(said) as Omit<ThrowAway, "stop">),
    stop: async () => {
      child.stdin.end();
      if (child.exitCode === null)
        await once(child, "exit", { signal: AbortSignal.timeout(STOP_MS) });
    },
  };
}

/** The clock's functions are found before the server's own: a name is looked up in this order. */
const CLOCK = [
  "create table recorded_clock (at timestamptz not null) with (fillfactor = 10)",
  "insert into recorded_clock values (to_timestamp(0))",
  ...[
    "now() returns timestamptz language sql stable",
    "transaction_timestamp() returns timestamptz language sql stable",
    "statement_timestamp() returns timestamptz language sql stable",
    "clock_timestamp() returns timestamptz language sql volatile",
  ].map((head) => `create function public.${head} as 'select at from public.recorded_clock'`),
];

/** Statistics that come at their own time change plans, and with them the order of sums. */
const SETTINGS = [
  ...["autovacuum = off", "synchronize_seqscans = off", "jit = off"],
  "max_parallel_workers_per_gather = 0",
];

/** A database with a fixed clock, made before the migrations: their defaults read it. */
async function openDatabase(server: string): Promise<{ url: string; database: pg.Client }> {
  const admin = new pg.Client({ connectionString: server });
  await admin.connect();
  for (const setting of SETTINGS) await admin.query(`alter system set ${setting}`);
  await admin.query("select pg_reload_conf()");
  await admin.query("create database recorded");
  await admin.query("alter database recorded set search_path = public, pg_catalog");
  await admin.end();
  const url = server.replace(/\/postgres$/, "/recorded");
  const database = new pg.Client({ connectionString: url });
  await database.connect();
  for (const statement of CLOCK) await database.query(statement);
  return { url, database };
}

const tokenOf = (claims: Record<string, unknown>) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setSubject(String(claims.sub ?? "recorder"))
    .setIssuedAt(Math.floor(BASE_MS / 1000))
    .setExpirationTime(Math.floor(BASE_MS / 1000) + TOKEN_SECONDS)
    .sign(new TextEncoder().encode(SECRET));

/** The built Worker over an empty database, both at `BASE_MS` until the clock is set. */
export async function startRecorded(): Promise<RecordedInstance> {
  const folder = mkdtempSync(path.join(tmpdir(), "shadower-recorded-"));
  const [server, bundle] = await Promise.all([startThrowAway(), buildWorker(folder)]);
  const { url: databaseUrl, database } = await openDatabase(server.databaseUrl);
  let at = BASE_MS;
  const setClock = async (atMs: number) => {
    at = atMs;
    await database.query("update recorded_clock set at = $1", [new Date(at)]);
    return at;
  };
  await setClock(BASE_MS);
  await migrate(databaseUrl);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const worker = await startWorker({
    script: withLocalEntry(bundle, "record-clock.js", "record-outgoing.js", "record-entry.js"),
    port,
    bindings: {
      ENVIRONMENT: "local",
      DATABASE_URL: databaseUrl,
      NEON_ENDPOINT: server.neonEndpoint,
      JWT_SECRET_KEY: SECRET,
      PUBLIC_URL,
      CORS_ORIGINS: "https://app.example.com",
      MAIL_PROVIDER: "resend",
      MAIL_FROM: "reports@example.com",
      MAIL_API_KEY: "recorded",
    },
  });
  return {
    url,
    database,
    setClock,
    cron: async (expression) => {
      const query = `cron=${encodeURIComponent(expression)}`;
      const headers = { "x-recorded-at": String(at) };
      const answer = await fetch(`${url}/cdn-cgi/handler/scheduled?${query}`, { headers });
      if (!answer.ok) throw new Error(`cron ${expression}: ${await answer.text()}`);
    },
    token: tokenOf,
    close: async () => {
      await worker.dispose();
      await database.end();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
