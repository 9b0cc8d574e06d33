import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureDataDir } from "./settings.ts";

/** Progress of an import: acknowledged rows, by result. */
export interface Progress {
  rows: number;
  counts: Record<string, number>;
}

export interface ProgressFile {
  read(): Progress;
  write(progress: Progress): void;
  remove(): void;
}

const START: Progress = { rows: 0, counts: {} };

/** @param identity what is imported, as what, and to where: another import has another file */
export function progressFile(identity: unknown): ProgressFile {
  const name = createHash("sha256").update(JSON.stringify(identity)).digest("hex").slice(0, 16);
  const file = path.join(ensureDataDir("imports"), `${name}.json`);
  return {
    read: () => {
      if (!existsSync(file)) return START;
      try {
        return JSON.parse(readFileSync(file, "utf8")) as Progress;
      } catch {
        // Half written by an older version: what is sent again is stored once.
        return START;
      }
    },
    // Moved to its place when it is whole, for a kill may come at any moment.
    write: (progress) => {
      writeFileSync(`${file}.new`, JSON.stringify(progress));
      renameSync(`${file}.new`, file);
    },
    remove: () => rmSync(file, { force: true }),
  };
}
