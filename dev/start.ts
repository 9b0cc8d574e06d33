import { claimInstance } from "./instance-folder.ts";
import { seen } from "./processes.ts";
import { localSecret } from "./settings.ts";
import { stop, stopNow } from "./stopping.ts";

// This file loads nothing heavy: signals and the one who asked for this instance are heard from the
// first moment.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Libraries of the runtime end the process at a signal on their own; the server and the data need
 * an orderly end.
 */
function takeSignals(): void {
  const take = () => stopNow();
  process.on("newListener", (event, listener) => {
    if ((SIGNALS as readonly unknown[]).includes(event) && listener !== take)
      queueMicrotask(() => process.off(event, listener));
  });
  for (const signal of SIGNALS) process.on(signal, take);
}

/** npm runs a script by a shell, which may stand between: who started us, from the nearest. */
function starters(): number[] {
  const parent = seen(process.ppid);
  return parent && /^(\S*\/)?\w*sh -c /.test(parent.command)
    ? [process.ppid, parent.parent]
    : [process.ppid];
}

/**
 * True if a process cannot have started us: the one that did has ended, and we were given to this
 * one.
 */
function isStranger(pid: number): boolean {
  const found = seen(pid);
  const isApart = pid === 1 || found?.session !== seen(process.pid)?.session;
  return (
    found !== undefined && isApart && !/\b(npm|npx|pnpm|yarn|bun|node|\w*sh)\b/.test(found.command)
  );
}

/**
 * npm does not pass on every signal: when it is gone, so is the one who asked for this instance.
 */
function followParent(): void {
  if (!process.env.npm_lifecycle_event) return;
  const first = starters();
  if (first.some(isStranger)) {
    console.error("The process that started this instance has ended.");
    process.exit(1);
  }
  setInterval(() => starters().join() !== first.join() && void stop(0), 500).unref();
}

takeSignals();
followParent();
try {
  localSecret();
  const claim = await claimInstance();
  const { runInstance } = await import("./instance.ts");
  await runInstance(claim);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}
