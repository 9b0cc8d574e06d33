import { execFile } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptionsOf } from "wrangler";

const root = path.resolve(import.meta.dirname, "..");
// The local runtime would ask the network for the properties of a request.
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";
// An isolate of the platform has 128 MB; the local runtime would size its heap for 4 GB, and hide what does not fit.
process.env.MINIFLARE_WORKERD_V8_FLAGS ??= "--max-heap-size=128";

/** Bundles the Worker exactly as `wrangler deploy` would. @returns the bundle's path */
export async function buildWorker(outDir: string): Promise<string> {
  const args = ["deploy", "--dry-run", "--outdir", path.resolve(outDir)];
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" };
  await promisify(execFile)(path.join(root, "node_modules/.bin/wrangler"), args, {
    cwd: root,
    env,
  });
  return path.resolve(outDir, "index.js");
}

const LOCAL_ENTRY = `import worker from "./index.js";
export * from "./index.js";
export default {
  ...worker,
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname !== "/cdn-cgi/handler/scheduled") return worker.fetch(request, env, ctx);
    const cron = url.searchParams.get("cron") ?? "";
    try {
      await worker.scheduled({ cron, scheduledTime: Date.now(), noRetry() {} }, env, ctx);
      return new Response("ok\\n");
    } catch (error) {
      return new Response(String(error) + "\\n", { status: 500 });
    }
  },
};
`;

/** Puts the local trigger of crons, as the development server has it, before a built Worker. @returns the new entry's path */
export function withCronTrigger(script: string): string {
  const entry = path.join(path.dirname(script), "local.js");
  writeFileSync(entry, LOCAL_ENTRY);
  return entry;
}

export interface WorkerOptions {
  /** The entry module; modules beside it may be imported. */
  script: string;
  port: number;
  /** Variables and secrets beside those of wrangler.toml. */
  bindings: Record<string, string>;
  /** Where KV, R2 and Durable Objects keep their data; absent: in memory. */
  persist?: string;
  /** Where a debugger may look into the isolates. */
  inspectorPort?: number;
}

/** The built Worker on workerd, with the bindings of wrangler.toml running locally and no development proxy in front. */
export async function startWorker({
  script,
  port,
  bindings,
  persist,
  inspectorPort,
}: WorkerOptions): Promise<Miniflare> {
  const { modulesRules: _, cronTriggers: __, rootPath: ___, ...declared } = declaredOptions();
  const folder = path.dirname(script);
  const beside = path.basename(script) === "local.js" ? [path.join(folder, "index.js")] : [];
  const fonts = readdirSync(folder).filter((file) => file.endsWith(".ttf"));
  const options = convertV4MiniflareOptions({
    host: "127.0.0.1",
    port,
    log: new Log(LogLevel.WARN),
    unsafeTriggerHandlers: true,
    ...(persist ? { defaultPersistRoot: persist } : {}),
    ...(inspectorPort ? { inspectorPort } : {}),
    workers: [
      {
        ...declared,
        name: "shadower-analytics",
        modulesRoot: folder,
        modules: [
          ...[script, ...beside].map((file) => ({ type: "ESModule", path: file })),
          ...fonts.map((file) => ({ type: "Data", path: path.join(folder, file) })),
        ],
        bindings: { ...declared.bindings, ...bindings },
      },
    ],
  } as Parameters<typeof convertV4MiniflareOptions>[0]);
  const miniflare = new Miniflare(options);
  await miniflare.ready;
  return miniflare;
}

function declaredOptions(): {
  bindings?: Record<string, string>;
  cronTriggers?: string[];
  modulesRules?: unknown;
  rootPath?: string;
} {
  return workerOptionsOf(path.join(root, "wrangler.toml")).workerOptions as ReturnType<
    typeof declaredOptions
  >;
}

/** Cron expressions of wrangler.toml. */
export function cronsOf(): string[] {
  return declaredOptions().cronTriggers ?? [];
}
