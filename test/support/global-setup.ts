import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** A superuser's connection to the run's server; each test file makes its own database from `shadower_template`. */
    databaseUrl: string;
    neonEndpoint: string;
    /** Reads files that tests have made (test/support/reader.ts). */
    reader: string;
  }
}

/** A program beside the tests, which the bundler of the tests must not touch: its first line, and how to end it. */
async function beside(script: string): Promise<{ line: string; stop(): Promise<void> }> {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const started = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const failed = once(child, "exit").then(() =>
    Promise.reject(new Error(`${script} did not start`)),
  );
  const [line] = await Promise.race([started, failed]);
  failed.catch(() => undefined);
  return {
    line,
    stop: async () => {
      child.stdin.end();
      await once(child, "exit");
    },
  };
}

/** One throw-away PostgreSQL for the run, and one reader of files. */
export default async function setup(project: TestProject) {
  const [database, reader] = await Promise.all([
    beside("dev/throw-away.ts"),
    beside("test/support/reader.ts"),
  ]);
  const { databaseUrl, neonEndpoint } = JSON.parse(database.line) as {
    databaseUrl: string;
    neonEndpoint: string;
  };
  project.provide("databaseUrl", databaseUrl);
  project.provide("neonEndpoint", neonEndpoint);
  project.provide("reader", reader.line);
  return async () => {
    await Promise.all([database.stop(), reader.stop()]);
  };
}
