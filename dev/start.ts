import { seen } from "./processes.ts";
import { stop, stopNow } from "./stopping.ts";

// This file loads nothing heavy: signals and the one who asked for this instance are heard from the first moment.
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Libraries of the runtime end the process at a signal on their own; the server and the data need an orderly end. */
function takeSignals(): void {
  const take = () => stopNow();
  process.on("newListener", (event, listener) => {
    if ((SIGNALS as readonly unknown[]).includes(event) && listener !== take)
      queueMicrotask(() => process.off(event, listener));
  });
  for (const signal of SIGNALS) process.on(signal, take);
}

/** Whether our parent cannot be the npm that started us: it ended before we could look, and we were given to another. */
function isOrphan(): boolean {
  const parent = seen(process.ppid);
  if (!parent) return false;
  const isStranger = process.ppid === 1 || parent.session !== seen(process.pid)?.session;
  return isStranger && !/\b(npm|npx|pnpm|yarn|bun|node|\w*sh)\b/.test(parent.command);
}

/** npm does not pass on every signal: when it is gone, so is the one who asked for this instance. */
function followParent(): void {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  if (isOrphan()) {
    console.error("What started this is gone.");
    process.exit(1);
  }
  setInterval(() => process.ppid !== parent && void stop(0), 500).unref();
}

takeSignals();
followParent();
try {
  const { runInstance } = await import("./instance.ts");
  await runInstance();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}
