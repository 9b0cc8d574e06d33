import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { SignJWT } from "jose";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { migrate } from "../dev/migrate.ts";
import { freePort } from "../dev/ports.ts";
import { startPostgres } from "../dev/postgres.ts";
import { buildWorker, startWorker } from "../dev/worker.ts";
import { WORKSPACES, withClient, workspaceName } from "./seed.ts";

const SECRET = "bench-secret-of-at-least-32-characters";
const SERVER = {
  shared_buffers: "3GB",
  effective_cache_size: "8GB",
  work_mem: "64MB",
  maintenance_work_mem: "1GB",
  max_wal_size: "8GB",
  checkpoint_timeout: "15min",
  random_page_cost: "1.1",
  max_connections: "100",
};

export interface Instance {
  port: number;
  /** Runs a cron of wrangler.toml. */
  cron(expression: string): Promise<void>;
  stop(): Promise<void>;
}

export interface Stage {
  /** A migrated database of this name, dropped and made anew when `fresh`. */
  database(name: string): Promise<string>;
  worker(databaseUrl: string, inspectorPort?: number): Promise<Instance>;
  reference(databaseUrl: string): Promise<Instance>;
  token: string;
  stop(): Promise<void>;
}

/** PostgreSQL and the built Worker on workerd, without the development proxy. */
export async function openStage(): Promise<Stage> {
  const folder = mkdtempSync(path.resolve(import.meta.dirname, ".out-"));
  const server = await startPostgres(path.join(folder, "pg"), { settings: SERVER });
  const script = await buildWorker(path.join(folder, "worker"));
  const referenceScript = path.join(folder, "reference.js");
  await build({
    entryPoints: [path.join(import.meta.dirname, "reference-worker.ts")],
    bundle: true,
    format: "esm",
    outfile: referenceScript,
    conditions: ["workerd"],
    minify: true,
  });

  const children = new Set<() => Promise<void>>();
  const endpoint = async (databaseUrl: string) => {
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, "endpoint.ts"), databaseUrl],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    const [port] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const stop = async () => {
      children.delete(stop);
      child.stdin.end();
      await once(child, "exit");
    };
    children.add(stop);
    return {
      bindings: { DATABASE_URL: databaseUrl, NEON_ENDPOINT: `http://127.0.0.1:${port}` },
      stop,
    };
  };
  const instance = async (
    databaseUrl: string,
    open: (bindings: Record<string, string>, port: number) => Promise<Miniflare>,
  ): Promise<Instance> => {
    const { bindings, stop } = await endpoint(databaseUrl);
    const port = await freePort();
    const miniflare = await open(bindings, port);
    return {
      port,
      cron: async (expression) => {
        const query = `cron=${encodeURIComponent(expression)}`;
        const url = `http://localhost/cdn-cgi/local/scheduled?${query}`;
        const outcome = await (await miniflare.dispatchFetch(url)).text();
        if (outcome !== "ok") throw new Error(`cron ${expression}: ${outcome}`);
      },
      stop: async () => {
        await miniflare.dispose();
        await stop();
      },
    };
  };
  const workspaces = Array.from({ length: WORKSPACES }, (_, index) => workspaceName(index + 1));
  const token = await new SignJWT({ workspaceId: workspaces[0], workspaces, role: "admin" })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("bench")
    .setExpirationTime("1d")
    .sign(new TextEncoder().encode(SECRET));

  return {
    token,
    database: async (name) => {
      await withClient(server.url, (client) => client.query(`create database ${name}`));
      const url = server.url.replace(/\/postgres$/, `/${name}`);
      await migrate(url);
      return url;
    },
    worker: (databaseUrl, inspectorPort) =>
      instance(databaseUrl, (bindings, port) =>
        startWorker({
          script,
          port,
          bindings: { ...bindings, ENVIRONMENT: "local", JWT_SECRET_KEY: SECRET },
          ...(inspectorPort ? { inspectorPort } : {}),
        }),
      ),
    reference: (databaseUrl) =>
      instance(databaseUrl, async (bindings, port) => {
        const options = {
          log: new Log(LogLevel.ERROR),
          unsafeDirectSockets: [{ host: "127.0.0.1", port }],
          modules: true,
          scriptPath: referenceScript,
          compatibilityDate: "2026-10-20",
          bindings,
        };
        const miniflare = new Miniflare(
          convertV4MiniflareOptions(options as Parameters<typeof convertV4MiniflareOptions>[0]),
        );
        await miniflare.ready;
        return miniflare;
      }),
    stop: async () => {
      for (const stop of children) await stop();
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resident memory in MB of the workerd processes below this one. */
export function workerdMegabytes(): number {
  let kilobytes = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      if (/^Name:\s+workerd/m.test(status))
        kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    } catch {
      // It ended while we looked.
    }
  }
  return kilobytes / 1024;
}
