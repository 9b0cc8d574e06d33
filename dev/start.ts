import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { Cron } from "croner";
import type { Miniflare } from "miniflare";
import { readConfig } from "../src/config.ts";
import { migrate } from "./migrate.ts";
import { startNeonEndpoint } from "./neon-endpoint.ts";
import { startPostgres } from "./postgres.ts";
import { dataDir, localSecret, numberFrom } from "./settings.ts";
import { developerToken } from "./token.ts";
import { buildWorker, cronsOf, startWorker, withCronTrigger } from "./worker.ts";

/** @throws Error that names the port and the variable to change it */
function assertFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () =>
      reject(
        new Error(
          `Port ${port} is in use. Stop what listens there, or start on another: PORT=${port + 1} npm start`,
        ),
      ),
    );
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  });
}

/** Closed in reverse order, whatever had started; each step may fail without keeping the others from stopping. */
const opened: { name: string; close(): Promise<unknown> | unknown }[] = [];
let stopping = false;
async function stop(code: number): Promise<never> {
  if (!stopping) {
    stopping = true;
    for (const { name, close } of opened.reverse()) {
      try {
        await close();
      } catch (error) {
        console.error(`Stopping ${name}: ${String(error)}`);
      }
    }
    process.exit(code);
  }
  return new Promise<never>(() => undefined);
}

async function database(): Promise<string> {
  if (process.env.DATABASE_URL) return process.env.DATABASE_URL;
  const server = await startPostgres(path.join(dataDir, "postgres"), {
    shared_buffers: "256MB",
    max_wal_size: "2GB",
  });
  opened.push({ name: "PostgreSQL", close: () => server.stop() });
  return server.url;
}

/** Cloudflare calls the crons in production; here we do, at the same times (UTC). A run that overlaps the next is left out. */
function startCrons(worker: Miniflare): void {
  for (const expression of cronsOf()) {
    const fire = async () => {
      const response = await worker.dispatchFetch(
        `http://localhost/cdn-cgi/handler/scheduled?cron=${encodeURIComponent(expression)}`,
      );
      const outcome = await response.text();
      if (!response.ok) console.error(`cron ${expression}: ${outcome}`);
    };
    const job = new Cron(
      expression,
      {
        timezone: "UTC",
        protect: true,
        catch: (error) => console.error(`cron ${expression}: ${String(error)}`),
      },
      fire,
    );
    opened.push({ name: `cron ${expression}`, close: () => job.stop() });
  }
}

async function start(): Promise<void> {
  const port = numberFrom("PORT", 8787, 65_535);
  await assertFree(port);
  mkdirSync(dataDir, { recursive: true });
  const [databaseUrl, script] = await Promise.all([
    database(),
    buildWorker(path.join(dataDir, "build")),
  ]);
  await migrate(databaseUrl);
  const endpoint = await startNeonEndpoint(databaseUrl);
  opened.push({ name: "the database endpoint", close: () => endpoint.stop() });
  const bindings = {
    ENVIRONMENT: "local",
    DATABASE_URL: databaseUrl,
    NEON_ENDPOINT: `http://127.0.0.1:${endpoint.port}`,
    JWT_SECRET_KEY: localSecret(),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
  };
  const overridden = [
    "HOURLY_ROLLUP_ENABLED",
    "DAILY_ROLLUP_ENABLED",
    "RETENTION_MONTHS",
    "STALE_AFTER_MINUTES",
    "STATEMENT_TIMEOUT_SECONDS",
    "JWT_JWKS_URL",
    "JWT_ISSUER",
    "JWT_AUDIENCE",
    "CORS_ORIGINS",
    "MAX_EXPORT_ROWS",
    "EXPORT_RETENTION_DAYS",
    "PUBLIC_URL",
    "LINK_SECRET_KEY",
    "MAIL_PROVIDER",
    "MAIL_FROM",
    "MAIL_API_KEY",
  ];
  const given = Object.fromEntries(
    overridden.flatMap((name) =>
      process.env[name] === undefined ? [] : [[name, process.env[name] ?? ""]],
    ),
  );
  readConfig({ ...bindings, ...given });
  const worker = await startWorker({
    script: withCronTrigger(script),
    port,
    bindings: { ...bindings, ...given },
    persist: path.join(dataDir, "cloudflare"),
  });
  opened.push({ name: "the Worker", close: () => worker.dispose() });
  takeSignals();
  startCrons(worker);
  const url = `http://127.0.0.1:${port}`;
  const token = await developerToken({ workspaces: ["demo"], role: "admin" });
  console.log(`
Shadower Analytics runs at ${url}   (reference: ${url}/docs; stop: Ctrl-C)
Developer token, workspace "demo", 30 days:

  export TOKEN=${token}

Try:
  curl -s ${url}/ready
  npm run import -- --sample
  curl -s -H "Authorization: Bearer $TOKEN" "${url}/api/v1/metrics/summary?from=2023-11-16T18:00:00Z&to=2023-11-16T20:00:00Z"
`);
}

/** Libraries of the runtime end the process at a signal on their own; the server and the data need an orderly end. */
function takeSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.removeAllListeners(signal).on(signal, () => void stop(0));
}

/** npm does not pass on every signal: when it is gone, so is the one who asked for this instance. */
function followParent(): void {
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event)
    setInterval(() => process.ppid !== parent && void stop(0), 500).unref();
}

takeSignals();
followParent();
try {
  await start();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}
