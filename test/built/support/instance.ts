import { randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { Miniflare } from "miniflare";
import pg from "pg";
import { inject } from "vitest";
import { freePort } from "../../../dev/ports.ts";
import { runCron, startWorker } from "../../../dev/worker.ts";

export const SECRET = "built-secret-of-at-least-32-characters";

export interface InstanceOptions {
  /** Variables and secrets beside the instance's own. */
  bindings?: Record<string, string>;
  /** Where KV, R2 and Durable Objects keep their data; absent: in memory. */
  persist?: string;
  /** Where dev/heap.ts may look into the isolate. */
  inspectorPort?: number;
  /** An earlier instance's database, which is then not dropped at the end. */
  databaseUrl?: string;
}

export interface Instance {
  /** Without a path: http://127.0.0.1:port */
  url: string;
  databaseUrl: string;
  worker: Miniflare;
  /** A token of one workspace, an admin's for an hour unless the claims say otherwise. */
  token(workspaceId: string, claims?: Record<string, unknown>): Promise<string>;
  /** Runs a cron of wrangler.toml. */
  cron(expression: string): Promise<void>;
  /** Ends the runtime and drops the database. */
  close(): Promise<void>;
}

/** The run's server, as its superuser. */
async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject("databaseUrl") });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The built Worker on a runtime of its own, over a database of its own, as `npm start` runs it. */
export async function startInstance(options: InstanceOptions = {}): Promise<Instance> {
  const name = `built_${randomUUID().replaceAll("-", "")}`;
  const { databaseUrl = inject("databaseUrl").replace(/\/postgres$/, `/${name}`) } = options;
  const isOwn = options.databaseUrl === undefined;
  if (isOwn) await onServer(`create database ${name} template shadower_template`);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const worker = await startWorker({
    script: inject("builtWorker"),
    port,
    bindings: {
      ENVIRONMENT: "local",
      DATABASE_URL: databaseUrl,
      NEON_ENDPOINT: inject("neonEndpoint"),
      JWT_SECRET_KEY: SECRET,
      PUBLIC_URL: url,
      ...options.bindings,
    },
    ...(options.persist ? { persist: options.persist } : {}),
    ...(options.inspectorPort ? { inspectorPort: options.inspectorPort } : {}),
  });
  return {
    url,
    databaseUrl,
    worker,
    token: (workspaceId, claims = {}) =>
      new SignJWT({ workspaceId, workspaces: [workspaceId], role: "admin", ...claims })
        .setProtectedHeader({ alg: "HS256" })
        .setSubject(String(claims.sub ?? "tester"))
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(SECRET)),
    cron: (expression) => runCron(worker, expression),
    close: async () => {
      await worker.dispose();
      if (isOwn) await onServer(`drop database ${name} with (force)`);
    },
  };
}
