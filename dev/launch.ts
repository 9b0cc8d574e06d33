import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ProcessIdentity } from "./processes.ts";

/** Runs `npm start` as a process of its own, for tests and the soak. */
export interface LaunchedInstance {
  process: ChildProcess;
  url: string;
  /** The printed token of the workspace "demo". */
  token: string;
  /** Its output so far, on both streams. */
  said(): string;
  /** Its exit code; null when a signal ended it. */
  exited: Promise<number | null>;
}

/**
 * Starts the local instance and waits until it runs.
 * @param variables of its environment, beside this process's own
 * @throws Error with its output if it ends instead
 */
export async function launchInstance(variables: Record<string, string>): Promise<LaunchedInstance> {
  const root = path.resolve(import.meta.dirname, "..");
  const child = spawn(process.execPath, [path.join(root, "dev/start.ts")], {
    cwd: root,
    env: { ...process.env, ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const exited = once(child, "close").then(([code]) => code as number | null);
  const runs = new Promise<RegExpExecArray>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        const found = /runs at (\S+)[\s\S]*TOKEN=(\S+)\n/.exec(text);
        if (found) resolve(found);
      });
  });
  const failed = exited.then((code) => {
    throw new Error(`It ended with ${code}: ${text}`);
  });
  const [, url = "", token = ""] = await Promise.race([runs, failed]);
  failed.catch(() => undefined);
  return { process: child, url, token, said: () => text, exited };
}

/** The servers that work in a folder of an instance, `postgres` or `cloudflare`, as on record. */
export function recordedServers(dataDir: string, folder: string): ProcessIdentity[] {
  const file = path.join(dataDir, `${folder}.owner`);
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, "utf8")) as { servers: ProcessIdentity[] }).servers;
}

/** Connection string of the superuser of a running instance. */
export function databaseOf(dataDir: string): string {
  const password = readFileSync(path.join(dataDir, "postgres.secret"), "utf8");
  const lock = readFileSync(path.join(dataDir, "postgres/postmaster.pid"), "utf8");
  return `postgres://postgres:${password}@127.0.0.1:${lock.split("\n")[3]}/postgres`;
}
