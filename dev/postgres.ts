import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { type BoundedLog, boundedLog } from "./bounded-log.ts";
import { type Claim, claimFolder } from "./claim.ts";
import { clearStaleLock, prepareCluster, type ServerPrograms, serverPrograms } from "./cluster.ts";
import { freePort } from "./ports.ts";
import { killTree, seen, until } from "./processes.ts";

export interface PostgresServer {
  /** Connection string of the superuser, database `postgres`. */
  url: string;
  stop(): Promise<void>;
  /** Ends it at once, with its work in progress. */
  kill(): void;
}

export interface PostgresOptions {
  /** Server settings, e.g. { shared_buffers: "256MB" }. */
  settings?: Record<string, string>;
  /** Where the server's log is kept; absent: nowhere. */
  logFile?: string;
  /**
   * A server that ends by itself is started again, a few times; this is told when that has not
   * helped.
   */
  onLost?(error: Error): void;
}

const STOP_MS = 4000;
const QUIT_MS = 2000;
/** Long enough for a process that waits for its disk. */
const GONE_MS = 10_000;
const START_ATTEMPTS = 20;
const MAX_RESTARTS = 5;
const RESTARTS_WITHIN_MS = 600_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The server writes one line when it is up; its last lines are the error when it is not. */
function untilReady(server: ChildProcess, log: BoundedLog): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    server.stderr?.on("data", (chunk: Buffer) => {
      log.write(chunk);
      said = (said + chunk.toString()).slice(-4000);
      if (said.includes("ready to accept connections")) resolve();
    });
    server.once("error", reject);
    server.once("close", () => {
      const where = log.file ? ` (${log.file})` : "";
      reject(new Error(`PostgreSQL did not start${where}:\n${said}`));
    });
  });
}

/**
 * Memory that a statement frees stays with its process, for the next one (glibc, bytes): given back to the
 * system at once, a thousand pages are fetched again for each question.
 */
const KEPT_MEMORY = {
  MALLOC_TRIM_THRESHOLD_: String(16 * 2 ** 20),
  MALLOC_TOP_PAD_: String(2 ** 20),
  MALLOC_MMAP_THRESHOLD_: String(4 * 2 ** 20),
};

interface Launch {
  cluster: string;
  programs: ServerPrograms;
  settings: Record<string, string>;
  log: BoundedLog;
  claim: Claim;
}

/**
 * Detached: a Ctrl-C in the terminal must reach only us, and we stop the server when the Worker is
 * done with it.
 */
async function launch(from: Launch): Promise<ChildProcess> {
  const { cluster, programs, settings, log, claim } = from;
  clearStaleLock(cluster, programs);
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [file, args] = programs.wrap(programs.postgres, ["-D", cluster, ...flags]);
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  const env = { ...process.env, ...KEPT_MEMORY };
  const server = spawn(file, args, { detached: true, stdio, cwd: "/", env });
  if (server.pid) claim.record(server.pid, cluster, "SIGINT");
  await untilReady(server, log);
  return server;
}

const STILL_HELD = /shared memory block|lock file/;

/**
 * Processes of a server that was killed may need a moment to notice, and hold its memory until
 * then.
 */
async function relaunch(from: Launch): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(from);
    } catch (error) {
      if (attempt === START_ATTEMPTS || !STILL_HELD.test(String(error))) throw error;
      await pause(250);
    }
  }
}

const exited = (server: ChildProcess) => server.exitCode !== null || server.signalCode !== null;

/**
 * Orderly, then without its checkpoint, then by force with all that it has started: one that hangs
 * must not keep us.
 */
async function end(server: ChildProcess): Promise<void> {
  if (exited(server) || !server.pid) return;
  const gone = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  for (const [name, ms] of [
    ["SIGINT", STOP_MS],
    ["SIGQUIT", QUIT_MS],
  ] as const) {
    server.kill(name);
    await Promise.race([gone, pause(ms)]);
    if (exited(server)) return;
  }
  const all = killTree(server.pid);
  await gone;
  await until(() => !all.some((pid) => seen(pid)), GONE_MS);
}

/**
 * Looks after a running server until it is stopped: one that ends by itself is started again,
 * within bounds.
 */
function supervise(first: ChildProcess, from: Launch, onLost: PostgresOptions["onLost"]) {
  let server = first;
  let stopping = false;
  let restarting: Promise<void> | undefined;
  const recent: number[] = [];
  const restart = async (how: string) => {
    const now = Date.now();
    recent.push(now);
    while (now - (recent[0] ?? now) > RESTARTS_WITHIN_MS) recent.shift();
    const log = from.log.file ? ` Its log: ${from.log.file}` : "";
    if (recent.length > MAX_RESTARTS)
      throw new Error(`PostgreSQL ended ${recent.length} times in ten minutes.${log}`);
    console.error(`PostgreSQL ended by itself (${how}) and is restarted.${log}`);
    server = await relaunch(from);
    if (stopping) await end(server);
    else watch();
  };
  const watch = () => {
    server.once("exit", (code, name) => {
      if (stopping) return;
      restarting = restart(name ?? `code ${code}`).catch((error: Error) => onLost?.(error));
    });
  };
  if (onLost) watch();
  return {
    async stop() {
      stopping = true;
      await restarting;
      await end(server);
    },
  };
}

/**
 * Starts the embedded PostgreSQL on a free port of the loopback interface; the first start makes
 * the cluster.
 * @param dataDir where the cluster lies (kept by `stop`)
 * @throws Error when another process has the folder, its password is missing, or the server does
 * not come up
 */
export async function startPostgres(
  dataDir: string,
  { settings = {}, logFile, onLost }: PostgresOptions = {},
): Promise<PostgresServer> {
  const cluster = path.resolve(dataDir);
  const programs = await serverPrograms();
  const claim = await claimFolder(cluster);
  try {
    const password = await prepareCluster(cluster, programs, {
      sync: settings.fsync !== "off",
      onSpawn: (pid) => claim.record(pid, cluster, "SIGKILL"),
    });
    const port = await freePort();
    const from: Launch = {
      cluster,
      programs,
      claim,
      log: boundedLog(logFile),
      settings: {
        timezone: "UTC",
        unix_socket_directories: "",
        listen_addresses: "127.0.0.1",
        port: String(port),
        // A statement whose caller is gone, however that went, ends within this time.
        client_connection_check_interval: "1s",
        ...settings,
      },
    };
    const supervised = supervise(await relaunch(from), from, onLost);
    return {
      url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
      stop: async () => {
        await supervised.stop();
        claim.release();
      },
      kill: () => claim.kill(),
    };
  } catch (error) {
    claim.kill();
    claim.release();
    throw error;
  }
}
