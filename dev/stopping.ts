interface Step {
  name: string;
  close(): Promise<unknown> | unknown;
}

const FORCED_MS = 25_000;
const steps: Step[] = [];
const forces: (() => void)[] = [];
let began: number | undefined;

/** Something that has to be closed at the end, before all that was opened earlier. */
export function opened(name: string, close: Step["close"]): void {
  steps.push({ name, close });
}

/** Ends everything at once when the orderly stop takes too long. */
export function onForce(end: () => void): void {
  forces.push(end);
}

function force(): never {
  for (const end of forces) end();
  process.exit(1);
}

/** A terminal and npm both pass one Ctrl-C on: what comes so soon is no second one. */
const SAME_MS = 400;

/** Stops; asked again, ends everything at once. */
export function stopNow(): void {
  if (began === undefined) void stop(0);
  else if (Date.now() - began > SAME_MS) {
    console.error("Stopping at once.");
    force();
  }
}

/**
 * Closes whatever had started, the last first. A step may fail, or take too long, without keeping
 * the others from stopping.
 */
export async function stop(code: number): Promise<void> {
  if (began !== undefined) return;
  began = Date.now();
  setTimeout(() => {
    console.error("The stop takes too long; stopping at once.");
    force();
  }, FORCED_MS).unref();
  for (const { name, close } of steps.reverse()) {
    try {
      await close();
    } catch (error) {
      console.error(`Stopping ${name}: ${String(error)}`);
    }
  }
  process.exit(code);
}
