import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** Entry module of the built Worker, with the local trigger of crons before it. */
    builtWorker: string;
  }
}

const BUNDLE = path.join(import.meta.dirname, "bundle.ts");

/**
 * Bundles the Worker once for the run, in a process of its own: the local instance's runtime is started with the heap of the
 * platform, and the tests inside workerd, which are larger than the Worker, must not inherit that.
 */
export default async function build(project: TestProject) {
  const folder = mkdtempSync(path.join(tmpdir(), "shadower-built-"));
  const { stdout } = await promisify(execFile)(process.execPath, [BUNDLE, folder]);
  project.provide("builtWorker", stdout.trim());
  return () => rmSync(folder, { recursive: true, force: true });
}
