import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestProject } from "vitest/node";
import { buildWorker, withLocalEntry } from "../../../dev/worker.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Entry module of the built Worker, with the local trigger of crons before it. */
    builtWorker: string;
  }
}

/** Bundles the Worker once for the run. */
export default async function build(project: TestProject) {
  const folder = mkdtempSync(path.join(tmpdir(), "shadower-built-"));
  project.provide("builtWorker", withLocalEntry(await buildWorker(folder)));
  return () => rmSync(folder, { recursive: true, force: true });
}
