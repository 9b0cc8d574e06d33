import { randomBytes } from "node:crypto";
import path from "node:path";
import { Cron } from "croner";
import type { Miniflare } from "miniflare";
import { CONFIG_NAMES, readConfig } from "../src/config.ts";
import type { Claim } from "./claim.ts";
import { cluster, storage } from "./instance-folder.ts";
import { migrate } from "./migrate.ts";
import { startNeonEndpoint } from "./neon-endpoint.ts";
import { portFor } from "./ports.ts";
import { startPostgres } from "./postgres.ts";
import { resumeJobs } from "./resume.ts";
import { dataDir, localSecret, numberFrom } from "./settings.ts";
import { onForce, opened, stop } from "./stopping.ts";
import { developerToken } from "./token.ts";
import {
  buildWorker,
  cronsOf,
  drainWorker,
  runCron,
  startWorker,
  withLocalEntry,
} from "./worker.ts";

/** The cron that starts due schedules and lost jobs. */
const SWEEP = "* * * * *";
const DRAIN_MS = 8000;
/** Variables that the local instance sets itself. */
const OWN = new Set(["ENVIRONMENT", "DATABASE_URL", "NEON_ENDPOINT", "JWT_SECRET_KEY"]);

/**
 * The runtime or the database cannot be restarted: better no instance than one that only answers
 * 503.
 */
function giveUp(error: Error): void {
  console.error(error.message);
  void stop(1);
}

async function openDatabase(): Promise<string> {
  if (process.env.DATABASE_URL) return process.env.DATABASE_URL;
  const server = await startPostgres(cluster, {
    settings: { shared_buffers: "256MB", max_wal_size: "2GB" },
    logFile: path.join(dataDir, "postgres.log"),
    onLost: giveUp,
  });
  onForce(() => server.kill());
  opened("PostgreSQL", () => server.stop());
  return server.url;
}

/**
 * Calls the crons, as Cloudflare does in production, at the same times (UTC). A run that would
 * overlap the one before is skipped.
 */
function startCrons(worker: Miniflare): void {
  const complain = (error: unknown) => console.error(String(error));
  for (const expression of cronsOf()) {
    const options = { timezone: "UTC", protect: true, catch: complain };
    const job = new Cron(expression, options, () => runCron(worker, expression));
    opened(`cron ${expression}`, () => job.stop());
  }
  runCron(worker, SWEEP).catch(complain);
}

function configured(own: Record<string, string>): Record<string, string> {
  const given = CONFIG_NAMES.flatMap((name) => {
    const value = process.env[name];
    return value === undefined || OWN.has(name) ? [] : [[name, value]];
  });
  const bindings = { ...own, ...Object.fromEntries(given) };
  readConfig(bindings);
  return bindings;
}

async function openWorker(from: {
  script: string;
  port: number;
  databaseUrl: string;
  claim: Claim;
}): Promise<Miniflare> {
  const endpoint = await startNeonEndpoint(from.databaseUrl);
  opened("the database endpoint", () => endpoint.stop());
  const key = randomBytes(16).toString("hex");
  const bindings = configured({
    ENVIRONMENT: "local",
    DATABASE_URL: from.databaseUrl,
    NEON_ENDPOINT: `http://127.0.0.1:${endpoint.port}`,
    JWT_SECRET_KEY: localSecret(),
    PUBLIC_URL: `http://127.0.0.1:${from.port}`,
  });
  const worker = await startWorker({
    script: withLocalEntry(from.script),
    port: from.port,
    bindings: { ...bindings, LOCAL_KEY: key },
    persist: storage,
    onRuntime: (pid) => from.claim.record(pid, "workerd", "SIGKILL"),
    onLost: giveUp,
  });
  opened("the Worker", () => worker.dispose());
  opened("requests", async () => {
    const left = await drainWorker(worker, key, DRAIN_MS);
    if (left > 0) console.error(`${left} requests took too long and were cut off.`);
  });
  return worker;
}

async function sayHello(port: number): Promise<void> {
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

/**
 * Starts PostgreSQL, the Worker and its crons. The port is checked after the leftovers of a killed
 * instance are ended, for they may hold it.
 * @throws Error that names the obstacle
 */
export async function runInstance(claim: Claim): Promise<void> {
  const port = await portFor(numberFrom("PORT", 8787, 65_535));
  const [databaseUrl, script] = await Promise.all([
    openDatabase(),
    process.env.WORKER_BUNDLE || buildWorker(path.join(dataDir, "build")),
  ]);
  await migrate(databaseUrl);
  const worker = await openWorker({ script, port, databaseUrl, claim });
  if (!process.env.DATABASE_URL) await resumeJobs(databaseUrl, worker);
  startCrons(worker);
  await sayHello(port);
}
