import { type ChildProcess, spawn } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import {
  convertV4MiniflareOptions,
  Log,
  LogLevel,
  Miniflare,
  type V4ModuleDefinition,
  type V4SharedOptions,
  type V4WorkerOptionsShape,
} from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";
import { signal } from "./processes.ts";

const root = path.resolve(import.meta.dirname, "..");
// The local runtime would ask the network for the properties of a request.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
// An isolate of the platform has 128 MB; the local runtime would size its heap for 4 GB, and hide
// what does not fit.
process.env.MINIFLARE_WORKERD_V8_FLAGS ??= "--max-heap-size=128";
// The runtime starts through a script that keeps the terminal's signals from it.
const RUNTIME = path.join(import.meta.dirname, "workerd.sh");
const { default: workerd } = createRequire(import.meta.url)("workerd") as { default: string };
process.env.WORKERD_PATH ??= process.env.MINIFLARE_WORKERD_PATH ?? workerd;
process.env.MINIFLARE_WORKERD_PATH = RUNTIME;
const LOCAL_ENTRY = "local-entry.js";
const HOST = "127.0.0.1";

/**
 * Runs a tool with all that it starts as one group, which ends with us.
 * @throws Error that is what the tool has said
 */
async function runTool(script: string, args: string[], cwd: string, env: NodeJS.ProcessEnv) {
  const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
  const child = spawn(process.execPath, [script, ...args], { cwd, env, stdio, detached: true });
  const end = () => child.pid && signal(-child.pid, "SIGKILL");
  process.once("exit", end);
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => said.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  process.off("exit", end);
  if (code !== 0) throw new Error(`${path.basename(script)}: ${Buffer.concat(said).toString()}`);
}

/** Bundles the Worker exactly as `wrangler deploy` would. @returns the bundle's path */
export async function buildWorker(outDir: string): Promise<string> {
  const folder = path.resolve(outDir);
  const [main, config] = ["src/index.ts", "wrangler.toml"].map((file) => path.join(root, file));
  const args = ["deploy", main ?? "", "--config", config ?? "", "--dry-run", "--outdir", folder];
  // From where it runs, there it puts its temporary files: the checkout need not be writable.
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" };
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await runTool(path.join(root, "node_modules/wrangler/bin/wrangler.js"), args, folder, env);
  return path.join(folder, "index.js");
}

/**
 * Puts entries of this folder before a built Worker: the local one (crons by hand, an orderly
 * stop), and what imports it.
 * @returns the path of the last one
 */
export function withLocalEntry(script: string, ...others: string[]): string {
  const copies = [LOCAL_ENTRY, ...others].map((name) => {
    const copy = path.join(path.dirname(script), name);
    copyFileSync(path.join(import.meta.dirname, name), copy);
    return copy;
  });
  return copies.at(-1) ?? script;
}

/**
 * Lets an instance with the local entry answer those who wait, and refuses others. Queue messages
 * go with the runtime, the jobs they stand for do not.
 * @param key LOCAL_KEY of the instance's bindings
 * @returns how many requests and batches were still under way when the time was over
 */
export async function drainWorker(worker: Miniflare, key: string, ms: number): Promise<number> {
  const url = `http://localhost/cdn-cgi/handler/stop?within=${ms}`;
  const signal = AbortSignal.timeout(ms + 1000);
  const response = await worker.dispatchFetch(url, { headers: { "x-local-key": key }, signal });
  const { left } = (await response.json()) as { left: number };
  // The last answers are on their way out of the runtime, which ends without asking.
  await new Promise((resolve) => setTimeout(resolve, 100));
  return left;
}

export interface WorkerOptions {
  /** The entry module; modules beside it may be imported. */
  script: string;
  port: number;
  /** Variables and secrets beside those of wrangler.toml. */
  bindings: Record<string, string>;
  /** Where KV, R2 and Durable Objects keep their data; absent: in memory. */
  persist?: string;
  /**
   * Is told the number of each runtime that is started: a runtime that ends by itself is started
   * again.
   */
  onRuntime?(pid: number): void;
  /** The runtime has ended and could not be started again. */
  onLost?(error: Error): void;
  /** Where a debugger may look into the isolates. */
  inspectorPort?: number;
}

/**
 * Miniflare starts a runtime that has crashed again by itself, and only its log knows when that
 * fails.
 */
class RuntimeLog extends Log {
  readonly #onLost: WorkerOptions["onLost"];
  constructor(onLost: WorkerOptions["onLost"]) {
    super(LogLevel.WARN);
    this.#onLost = onLost;
  }
  override error(message: Error): void {
    super.error(message);
    if ("code" in message && message.code === "ERR_RUNTIME_FAILURE") this.#onLost?.(message);
  }
}

/**
 * Node tells of every child this process starts; the runtime's number is not to be had otherwise.
 */
function tellOfRuntimes(tell: (pid: number) => void): void {
  subscribe("child_process", (message) => {
    const { process: child } = message as { process: ChildProcess };
    child.once("spawn", () => {
      if (child.spawnfile === RUNTIME && child.pid) tell(child.pid);
    });
  });
}

/**
 * Without the index signature, which would take a name that is no option and leave it out in
 * silence.
 */
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

/**
 * The built Worker on workerd, with the bindings of wrangler.toml running locally. Its port leads
 * straight to it: Miniflare's own entry, which costs as much again as a cached answer, has another
 * one, for crons.
 */
export async function startWorker({
  script,
  port,
  bindings,
  persist,
  onRuntime,
  onLost,
  inspectorPort,
}: WorkerOptions): Promise<Miniflare> {
  const { modulesRules: _, cronTriggers: __, rootPath: ___, ...declared } = declaredOptions();
  const folder = path.dirname(script);
  const isLocal = path.basename(script) !== "index.js";
  const beside = isLocal ? modulesBeside(script) : [];
  const fonts = readdirSync(folder).filter((file) => file.endsWith(".ttf"));
  const modules: V4ModuleDefinition[] = [
    ...[script, ...beside].map((file) => ({ type: "ESModule" as const, path: file })),
    ...fonts.map((file) => ({ type: "Data" as const, path: path.join(folder, file) })),
  ];
  const shared: Known<V4SharedOptions> = {
    host: HOST,
    log: new RuntimeLog(onLost),
    unsafeTriggerHandlers: true,
  };
  if (persist) shared.resourcePersistencePath = persist;
  if (inspectorPort) shared.inspectorPort = inspectorPort;
  const options = convertV4MiniflareOptions({
    ...shared,
    workers: [
      {
        ...declared,
        name: "shadower-analytics",
        // The local entry has to know of clients that leave; the Worker itself does not look.
        compatibilityFlags: [
          ...(declared.compatibilityFlags ?? []),
          ...(isLocal ? ["enable_request_signal"] : []),
        ],
        unsafeDirectSockets: [{ host: HOST, port }],
        modulesRoot: folder,
        modules,
        bindings: { ...declared.bindings, ...bindings },
      },
    ],
  });
  if (onRuntime) tellOfRuntimes(onRuntime);
  const miniflare = new Miniflare(options);
  await miniflare.ready;
  return miniflare;
}

/** The built Worker, and the entries before it. */
function modulesBeside(script: string): string[] {
  const names = readdirSync(path.dirname(script)).filter((name) => name.endsWith(".js"));
  return names.map((name) => path.join(path.dirname(script), name)).filter((it) => it !== script);
}

function declaredOptions(): V4WorkerOptionsShape {
  return workerOptionsOf(path.join(root, "wrangler.toml")).workerOptions;
}

/**
 * Runs a cron of wrangler.toml, as the platform would.
 * @throws Error that is what the run has thrown
 */
export async function runCron(worker: Miniflare, expression: string): Promise<void> {
  const query = `cron=${encodeURIComponent(expression)}`;
  const answer = await worker.dispatchFetch(`http://localhost/cdn-cgi/handler/scheduled?${query}`);
  const outcome = await answer.text();
  if (!answer.ok) throw new Error(`cron ${expression}: ${outcome}`);
}

/** Cron expressions of wrangler.toml. */
export function cronsOf(): string[] {
  return declaredOptions().cronTriggers ?? [];
}
