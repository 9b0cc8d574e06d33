import { mkdirSync, mkdtempSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { inject, vi } from "vitest";
import {
  databaseOf,
  type LaunchedInstance,
  launchInstance,
  recordedServers,
} from "../../../dev/launch.ts";
import { isRunning, type ProcessIdentity } from "../../../dev/processes.ts";

const SLOW = { timeout: 60_000, interval: 100 };
/** A busy machine takes its time for each start: the time limit of a test with several. */
export const STARTS_MS = 180_000;

/**
 * A folder for the data of one instance after another, and no process or file of them at the end.
 */
export interface LocalFolder {
  dataDir: string;
  /** @throws Error that is what it said when it does not start */
  start(variables?: Record<string, string>): Promise<LaunchedInstance>;
  /** The servers of the running instance by the folder they work in: `postgres`, `cloudflare`. */
  servers(folder: string): ProcessIdentity[];
  /** Of the superuser of the running server. */
  databaseUrl(): string;
  /** Things that instances have left beside their data: temporary files, records of who has a folder. */
  leftOvers(): string[];
  remove(): Promise<void>;
}

export function localFolder(name: string): LocalFolder {
  const parent = mkdtempSync(path.join(tmpdir(), "shadower-local-"));
  const [dataDir, systemTmp] = [path.join(parent, name), path.join(parent, "tmp")];
  const started: LaunchedInstance[] = [];
  const everSeen: ProcessIdentity[] = [];
  const servers = (folder: string) => recordedServers(dataDir, folder);
  return {
    dataDir,
    servers,
    async start(variables = {}) {
      mkdirSync(systemTmp, { recursive: true });
      const bundle = inject("builtWorker").replace(/local-entry\.js$/, "index.js");
      const own = { DATA_DIR: dataDir, PORT: "0", WORKER_BUNDLE: bundle, TMPDIR: systemTmp };
      const instance = await launchInstance({ ...own, ...variables });
      started.push(instance);
      everSeen.push(...servers("cloudflare"), ...servers("postgres"));
      return instance;
    },
    databaseUrl: () => databaseOf(dataDir),
    leftOvers: () => [
      ...readdirSync(systemTmp),
      ...readdirSync(path.join(dataDir, "tmp")),
      ...readdirSync(dataDir).filter((entry) => entry.endsWith(".owner")),
    ],
    async remove() {
      for (const each of started) each.process.kill("SIGKILL");
      await vi.waitUntil(() => !everSeen.some(isRunning), SLOW);
      await rm(parent, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}
