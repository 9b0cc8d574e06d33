import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { identify, isRunning, killTree, type ProcessIdentity, signal, until } from "./processes.ts";

/** A server that works in a folder, and the signal that ends it in good order. */
interface Server extends ProcessIdentity {
  ending: NodeJS.Signals;
}

/** The record beside a folder in use: `<folder>.owner`. */
interface Ownership {
  owner: ProcessIdentity;
  servers: Server[];
}

/** A folder is ours, and nobody else's, until it is released. */
export interface Claim {
  /** Remembers a server that works in the folder, so that a later start can end it if we cannot. */
  record(pid: number, mark: string, ending: NodeJS.Signals): void;
  /** Ends at once what works in the folder. */
  kill(): void;
  release(): void;
}

const ORDERLY_MS = 10_000;
const fileOf = (folder: string) => `${folder}.owner`;

/** A record that is absent or malformed names no owner. */
function read(folder: string): Ownership | undefined {
  try {
    const value = JSON.parse(readFileSync(fileOf(folder), "utf8")) as Partial<Ownership> | number;
    return typeof value === "object" && value.owner && Array.isArray(value.servers)
      ? { owner: value.owner, servers: value.servers }
      : undefined;
  } catch {
    return undefined;
  }
}

async function end(server: Server): Promise<void> {
  if (!isRunning(server)) return;
  signal(server.pid, server.ending);
  if (await until(() => !isRunning(server), ORDERLY_MS)) return;
  killTree(server.pid);
  await until(() => !isRunning(server), ORDERLY_MS);
}

/**
 * Ends the servers whose starter was killed, as the starter would have done. Only a process whose
 * number, start and command are those on record is touched.
 * @returns whether there was a record of such a starter
 * @throws Error when the starter lives: two instances cannot share a folder
 */
export async function endLeftovers(folder: string): Promise<boolean> {
  const known = read(folder);
  if (!known) return false;
  if (isRunning(known.owner))
    throw new Error(
      `${folder} is in use by process ${known.owner.pid}. Stop it, or choose another folder: DATA_DIR`,
    );
  await Promise.all(known.servers.map(end));
  if (read(folder)?.owner.started === known.owner.started) rmSync(fileOf(folder), { force: true });
  return true;
}

/**
 * Takes a folder for this process, after the leftovers of one that was killed are ended.
 * @throws Error that names the process which has it
 */
export async function claimFolder(folder: string): Promise<Claim> {
  await endLeftovers(folder);
  const owner = identify(process.pid, path.basename(process.argv[1] ?? ""));
  if (!owner)
    throw new Error("The start time of this process is unknown: neither /proc nor ps reports it.");
  const file = fileOf(folder);
  const draft = `${file}.${process.pid}`;
  const servers: Server[] = [];
  const write = () => writeFileSync(draft, JSON.stringify({ owner, servers }));
  write();
  try {
    // A number alone is what older versions wrote; whoever that was, its server holds the database
    // itself.
    if (existsSync(file) && !read(folder)) rmSync(file);
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(`${folder} has just been taken by process ${read(folder)?.owner.pid}.`);
  } finally {
    rmSync(draft, { force: true });
  }
  const running = () => servers.filter(isRunning);
  // Whoever ends before it could stop its servers asks them to; the record stays for the next
  // start, which waits for them.
  const atExit = () => {
    for (const { pid, ending } of running()) signal(pid, ending);
  };
  process.once("exit", atExit);
  return {
    record: (pid, mark, ending) => {
      const found = identify(pid, mark);
      const others = servers.filter((each) => each.pid !== pid && isRunning(each));
      servers.splice(0, servers.length, ...others, ...(found ? [{ ...found, ending }] : []));
      write();
      renameSync(draft, file);
    },
    kill: () => {
      for (const { pid } of running()) killTree(pid);
    },
    release: () => {
      process.off("exit", atExit);
      rmSync(file, { force: true });
    },
  };
}
