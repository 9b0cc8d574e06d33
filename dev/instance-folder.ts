import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { type Claim, claimFolder } from "./claim.ts";
import { dataDir, ensureDataDir } from "./settings.ts";
import { onForce, opened } from "./stopping.ts";

export const cluster = path.join(dataDir, "postgres");
/** KV, R2 and Durable Objects; who has this folder has the instance. */
export const storage = path.join(dataDir, "cloudflare");

/**
 * Temporary files of this process and its children, in a folder that goes with it; it is their home
 * as well, for tools that keep logs there. Nothing else runs here, so what is there is old.
 */
function takeTemporary(): string {
  rmSync(path.join(dataDir, "tmp"), { recursive: true, force: true });
  const own = mkdtempSync(path.join(ensureDataDir("tmp"), "run-"));
  process.env.TMPDIR = own;
  process.env.HOME = own;
  opened("temporary files", () => rmSync(own, { recursive: true, force: true }));
  return own;
}

/** Ends the leftovers of this process if it is killed. */
function startKeeper(temporary: string): void {
  const script = path.join(import.meta.dirname, "keeper.ts");
  const keeper = spawn(process.execPath, [script, temporary, storage, cluster], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  keeper.on("error", (error) => console.error(`keeper: ${error.message}`));
  keeper.unref();
}

/**
 * Takes the data folder for this instance, after the leftovers of one that was killed are ended.
 * @throws Error that names who has it, or that it cannot be written to
 */
export async function claimInstance(): Promise<Claim> {
  ensureDataDir();
  const claim = await claimFolder(storage);
  onForce(() => claim.kill());
  opened("the claim", () => claim.release());
  startKeeper(takeTemporary());
  return claim;
}
