import { rmSync } from "node:fs";
import { endLeftovers } from "./claim.ts";
import { until } from "./processes.ts";

// Lives beside the local instance and outlives it by a moment: the pipe on standard input ends with
// the instance, however that ends. What the instance could not stop itself is stopped here. Usage:
// keeper <temporary folder> <claimed folder> ...
const parent = process.ppid;
const [temporary = "", ...folders] = process.argv.slice(2);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

async function clean(): Promise<void> {
  // A folder that is in use again belongs to the next instance, which has ended the leftovers.
  await Promise.allSettled(folders.map(endLeftovers));
  rmSync(temporary, { recursive: true, force: true });
  process.exit(0);
}

// The pipe is closed a moment before its owner is gone.
process.stdin.resume().once("end", () => {
  void until(() => process.ppid !== parent, 2000).then(clean);
});
