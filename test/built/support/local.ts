import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject, vi } from "vitest";
import type { ProcessIdentity } from "../../../dev/processes.ts";
import { isRunning } from "../../../dev/processes.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const SLOW = { timeout: 90_000, interval: 100 };

/** What `npm start` runs, as a process of its own. */
export interface LocalInstance {
  process: ChildProcess;
  url: string;
  /** Headers of a caller with the printed token, of JSON. */
  headers: Record<string, string>;
  /** What it has said so far, on both streams. */
  said(): string;
  /** Sends a signal to the process alone. @returns its exit code, null after a signal that it does not take */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** A folder for the data of one instance after another, and no process or file of them at the end. */
export interface LocalFolder {
  dataDir: string;
  /** @throws Error with what it said when it ends before it runs */
  start(variables?: Record<string, string>): Promise<LocalInstance>;
  /** What it says when it refuses to start. */
  refusal(variables?: Record<string, string>): Promise<string>;
  /** The servers of the instance by the folder they work in: `postgres`, `cloudflare`. */
  servers(folder: string): ProcessIdentity[];
  /** Of the superuser of the running server. */
  databaseUrl(): string;
  /** What instances have left beside their data: temporary files, records of who has a folder. */
  leftOvers(): string[];
  remove(): Promise<void>;
}

const systemTmp = (dataDir: string) => path.join(path.dirname(dataDir), "tmp");

function launch(dataDir: string, variables: Record<string, string>) {
  const bundle = inject("builtWorker").replace(/local-entry\.js$/, "index.js");
  const own = { DATA_DIR: dataDir, PORT: "0", WORKER_BUNDLE: bundle, TMPDIR: systemTmp(dataDir) };
  const env = { ...process.env, ...own, ...variables };
  const child = spawn(process.execPath, [path.join(root, "dev/start.ts")], { cwd: root, env });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  return { child, said: () => text };
}

export function localFolder(name: string): LocalFolder {
  const dataDir = path.join(mkdtempSync(path.join(tmpdir(), "shadower-local-")), name);
  mkdirSync(systemTmp(dataDir));
  const started = new Set<ChildProcess>();
  const everSeen: ProcessIdentity[] = [];
  const servers = (folder: string): ProcessIdentity[] => {
    const file = path.join(dataDir, `${folder}.owner`);
    return (JSON.parse(readFileSync(file, "utf8")) as { servers: ProcessIdentity[] }).servers;
  };
  const run = (variables: Record<string, string> = {}) => {
    const { child, said } = launch(dataDir, variables);
    started.add(child);
    return { child, said, exited: once(child, "close") as Promise<[number | null]> };
  };
  return {
    dataDir,
    servers,
    async start(variables) {
      const { child, said, exited } = run(variables);
      await vi.waitUntil(() => {
        if (child.exitCode !== null) throw new Error(said());
        return said().includes("TOKEN=");
      }, SLOW);
      everSeen.push(...servers("cloudflare"), ...servers("postgres"));
      const [, url = "", token = ""] = /runs at (\S+)[\s\S]*TOKEN=(\S+)/.exec(said()) ?? [];
      return {
        process: child,
        url,
        said,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        end: async (signal) => {
          child.kill(signal);
          return (await exited)[0];
        },
      };
    },
    async refusal(variables) {
      const { said, exited } = run(variables);
      const [code] = await exited;
      if (code !== 1) throw new Error(`It ended with ${code}: ${said()}`);
      return said();
    },
    databaseUrl() {
      const password = readFileSync(path.join(dataDir, "postgres.secret"), "utf8");
      const lock = readFileSync(path.join(dataDir, "postgres/postmaster.pid"), "utf8");
      return `postgres://postgres:${password}@127.0.0.1:${lock.split("\n")[3]}/postgres`;
    },
    leftOvers: () => [
      ...readdirSync(systemTmp(dataDir)),
      ...readdirSync(path.join(dataDir, "tmp")),
      ...readdirSync(dataDir).filter((entry) => entry.endsWith(".owner")),
    ],
    async remove() {
      for (const child of started) if (child.exitCode === null) child.kill("SIGKILL");
      await vi.waitUntil(() => !everSeen.some(isRunning), SLOW);
      rmSync(path.dirname(dataDir), { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
