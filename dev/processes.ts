import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that can be told from a later one which was given the same number. */
export interface ProcessIdentity {
  pid: number;
  /** When it began, in the words of the system; of Linux with the boot it began in. */
  started: string;
  /** A part of its command line. */
  mark: string;
}

interface Seen {
  parent: number;
  /** The number of its session; unknown where only ps tells. */
  session?: number;
  started: string;
  command: string;
}

const isLinux = process.platform === "linux";

/**
 * From /proc: fields of `stat` after the name, which may hold spaces and brackets itself
 * (proc_pid_stat(5)).
 */
function seenOnLinux(pid: number): Seen | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state = "Z", parent, , session] = fields;
    if (state === "Z" || state === "X") return undefined;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const started = `${boot} ${fields[19]}`;
    return { parent: Number(parent), session: Number(session), started, command };
  } catch {
    return undefined;
  }
}

function seenByPs(pid: number): Seen | undefined {
  try {
    const args = ["-ww", "-o", "state=,ppid=,lstart=,command=", "-p", String(pid)];
    const line = execFileSync("ps", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
    }).trim();
    const [, state = "Z", parent, started = "", command = ""] =
      /^(\S+)\s+(\d+)\s+(\S+\s+\S+\s+\d+\s+[\d:]+\s+\d+)\s+(.*)$/s.exec(line) ?? [];
    return state.startsWith("Z") ? undefined : { parent: Number(parent), started, command };
  } catch {
    return undefined;
  }
}

/** A running process; undefined if the number is free, or its process is a zombie. */
export const seen: (pid: number) => Seen | undefined = isLinux ? seenOnLinux : seenByPs;

/** @param mark a part of its command line that no other program has, e.g. the path of its data */
export function identify(pid: number, mark: string): ProcessIdentity | undefined {
  const found = seen(pid);
  return found && { pid, started: found.started, mark };
}

/** True if this very process still runs, and not another one with its number. */
export function isRunning({ pid, started, mark }: ProcessIdentity): boolean {
  const found = seen(pid);
  return found !== undefined && found.started === started && found.command.includes(mark);
}

const numbers = () => readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? +name : []));

/** Numbers of the processes that a process has started and that still run. */
export function childrenOf(pid: number): number[] {
  if (isLinux) return numbers().filter((each) => seen(each)?.parent === pid);
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n");
  return lines.flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number);
    return child !== undefined && parent === pid ? [child] : [];
  });
}

/** Processes of a program that work in a folder; only Linux tells. */
export function workingIn(folder: string, program: string): number[] {
  if (!isLinux) return [];
  return numbers().filter((pid) => {
    try {
      return (
        readlinkSync(`/proc/${pid}/cwd`) === folder && readlinkSync(`/proc/${pid}/exe`) === program
      );
    } catch {
      return false;
    }
  });
}

/** Sends a signal to a number that may be gone by now. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * Ends a process by force with all that it has started: what hangs would not notice that its parent
 * is gone.
 */
export function killTree(pid: number): number[] {
  const all = [pid, ...childrenOf(pid)];
  for (const each of all) signal(each, "SIGKILL");
  return all;
}

/** Waits until something is so, looking often. @returns whether it came to be in time */
export async function until(isSo: () => boolean, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; !isSo(); ) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
