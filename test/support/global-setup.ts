import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** A superuser's connection to the run's server; each test file makes its own database from `shadower_template`. */
    databaseUrl: string;
    neonEndpoint: string;
  }
}

/** One throw-away PostgreSQL for the run, in a process of its own: the bundler of the tests must not touch its modules. */
export default async function setup(project: TestProject) {
  const child = spawn(process.execPath, ["dev/throw-away.ts"], { stdio: ["pipe", "pipe", "inherit"] });
  const started = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const failed = once(child, "exit").then(() => Promise.reject(new Error("PostgreSQL for the tests did not start")));
  const [line] = await Promise.race([started, failed]);
  failed.catch(() => undefined);
  const { databaseUrl, neonEndpoint } = JSON.parse(line) as { databaseUrl: string; neonEndpoint: string };
  project.provide("databaseUrl", databaseUrl);
  project.provide("neonEndpoint", neonEndpoint);
  return async () => {
    child.stdin.end();
    await once(child, "exit");
  };
}
