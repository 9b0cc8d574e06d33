import { appendFileSync, renameSync, statSync } from "node:fs";

const TAIL = 4000;

/**
 * A log in a file that does not grow past twice `maxBytes`: full, it becomes `<file>.1`, and the
 * one before that goes.
 */
export interface BoundedLog {
  file: string | undefined;
  write(chunk: Buffer): void;
  /** The last of what was written since the start. */
  tail(): string;
}

/** @param file absent: only the tail is kept */
export function boundedLog(file: string | undefined, maxBytes = 5_000_000): BoundedLog {
  let last = "";
  let size = file ? (statSync(file, { throwIfNoEntry: false })?.size ?? 0) : 0;
  return {
    file,
    tail: () => last,
    write: (chunk) => {
      last = (last + chunk.toString()).slice(-TAIL);
      if (!file) return;
      try {
        if (size > maxBytes) {
          renameSync(file, `${file}.1`);
          size = 0;
        }
        appendFileSync(file, chunk);
        size += chunk.length;
      } catch {
        // A full disk must not end the one who keeps the log.
      }
    },
  };
}
