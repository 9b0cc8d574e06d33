import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import pg from "pg";
import { databaseOf, type LaunchedInstance, launchInstance, recordedServers } from "./launch.ts";
import { freePort } from "./ports.ts";
import { childrenOf, seen, signal, until } from "./processes.ts";

const WRITERS = 4;
const ROWS = 20;
const STARTED_AT = "2026-03-01T10:00:00Z";
const RANGE = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z";
const FREEZE_MS = 3000;
const CALM_MS = 1500;
const ANSWERED_MS = 200;
const HEAL_MS = 60_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Faults of an instance under load. After the first three it is started again. */
const FAULTS = [
  "kill",
  "kill with keeper",
  "stop",
  "kill runtime",
  "kill database",
  "freeze",
] as const;
export type SoakFault = (typeof FAULTS)[number];

export interface SoakResult {
  faults: Partial<Record<SoakFault, number>>;
  /** Rows whose intake was answered. */
  acknowledged: number;
  /** Of these, rows that are not stored. */
  lost: number;
  /** Rows that are stored more than once, or counted otherwise than stored. */
  doubled: number;
  /** Requests that were not answered, or by 5xx, and were sent again. */
  again: number;
  slowestStartMs: number;
}

interface Load {
  url: string;
  token: string;
  acknowledged: Set<string>;
  again: number;
  isOver: boolean;
}

/** One writer: the same rows until they are answered, then others. */
async function write(load: Load, writer: number): Promise<void> {
  for (let batch = 0; !load.isOver; batch++) {
    const ids = Array.from({ length: ROWS }, (_, row) => `w${writer}-${batch}-${row}`);
    const lines = ids.map((id) =>
      JSON.stringify({
        id,
        agent_id: "a",
        user_id: "u",
        status: "success",
        started_at: STARTED_AT,
      }),
    );
    while (!load.isOver) {
      try {
        const answer = await fetch(`${load.url}/api/v1/executions`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${load.token}`,
            "content-type": "application/x-ndjson",
          },
          body: lines.join("\n"),
          signal: AbortSignal.timeout(20_000),
        });
        await answer.text();
        if (answer.status === 207) {
          for (const id of ids) load.acknowledged.add(id);
          break;
        }
      } catch {
        // Not answered: sent again.
      }
      load.again++;
      await pause(100);
    }
  }
}

/** The keeper is the child that no folder has on record. */
function keeperOf({ process: { pid = 0 } }: LaunchedInstance): number[] {
  return childrenOf(pid).filter((each) => seen(each)?.command.includes("keeper.ts"));
}

/** @returns whether the instance has to be started again */
async function inflict(fault: SoakFault, instance: LaunchedInstance, dataDir: string) {
  const first = (folder: string) => recordedServers(dataDir, folder)[0]?.pid ?? 0;
  const numbers: Partial<Record<SoakFault, number[]>> = {
    "kill runtime": [first("cloudflare")],
    "kill database": [first("postgres")],
    "kill with keeper": keeperOf(instance),
  };
  for (const pid of numbers[fault] ?? []) if (pid > 0) signal(pid, "SIGKILL");
  if (fault === "freeze") {
    const postmaster = first("postgres");
    const all = [postmaster, ...childrenOf(postmaster)];
    for (const pid of all) signal(pid, "SIGSTOP");
    await pause(FREEZE_MS);
    for (const pid of all) signal(pid, "SIGCONT");
  }
  if (!["kill", "kill with keeper", "stop"].includes(fault)) return false;
  instance.process.kill(fault === "stop" ? "SIGINT" : "SIGKILL");
  await instance.exited;
  return true;
}

/** Rows that are stored, by SQL, and rows that the API counts. */
async function outcome(load: Load, dataDir: string): Promise<{ lost: number; doubled: number }> {
  const client = new pg.Client({ connectionString: databaseOf(dataDir) });
  await client.connect();
  const { rows } = await client.query<{ id: string; times: number }>(
    "select id, count(*)::int as times from executions where workspace_id = 'demo' group by id",
  );
  await client.end();
  const stored = new Map(rows.map(({ id, times }) => [id, times]));
  const answer = await fetch(`${load.url}/api/v1/metrics/summary?${RANGE}`, {
    headers: { authorization: `Bearer ${load.token}`, "cache-control": "no-cache" },
  });
  const { data } = (await answer.json()) as { data: { executions: number } };
  const twice = rows.filter(({ times }) => times > 1).length;
  return {
    lost: [...load.acknowledged].filter((id) => !stored.has(id)).length,
    doubled: twice + Math.abs(data.executions - stored.size),
  };
}

/**
 * Does harm to a local instance under load, again and again, and looks what has become of the rows
 * that it took.
 * @param faults in this order
 * @param variables of the instance's environment, e.g. { WORKER_BUNDLE }
 */
export async function soak(
  faults: readonly SoakFault[],
  variables: Record<string, string> = {},
): Promise<SoakResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "shadower-soak-"));
  const dataDir = path.join(folder, "data");
  const port = String(await freePort());
  let slowestStartMs = 0;
  const start = async () => {
    const began = Date.now();
    const instance = await launchInstance({ ...variables, DATA_DIR: dataDir, PORT: port });
    slowestStartMs = Math.max(slowestStartMs, Date.now() - began);
    return instance;
  };
  let instance = await start();
  const { url, token } = instance;
  const load: Load = { url, token, acknowledged: new Set(), again: 0, isOver: false };
  try {
    const writers = Array.from({ length: WRITERS }, (_, writer) => write(load, writer));
    const counts: Partial<Record<SoakFault, number>> = {};
    for (const fault of faults) {
      await pause(CALM_MS * Math.random());
      if (await inflict(fault, instance, dataDir)) instance = await start();
      counts[fault] = (counts[fault] ?? 0) + 1;
      // The next fault comes when rows are taken again; those of a moment ago may still be
      // answered.
      await pause(ANSWERED_MS);
      const before = load.acknowledged.size;
      const heals = await until(() => load.acknowledged.size > before, HEAL_MS);
      if (!heals) throw new Error(`No row was taken after "${fault}":\n${instance.said()}`);
    }
    load.isOver = true;
    await Promise.all(writers);
    const found = await outcome(load, dataDir);
    const { size } = load.acknowledged;
    return { faults: counts, acknowledged: size, ...found, again: load.again, slowestStartMs };
  } finally {
    load.isOver = true;
    instance.process.kill("SIGINT");
    await instance.exited;
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

if (import.meta.main) {
  const options = { rounds: { type: "string", default: "60" } } as const;
  const rounds = Number(parseArgs({ options }).values.rounds);
  const faults = Array.from(
    { length: rounds },
    () => FAULTS[Math.floor(Math.random() * FAULTS.length)] ?? "kill",
  );
  const result = await soak(faults);
  console.log(JSON.stringify(result, null, 1));
  process.exit(result.lost + result.doubled > 0 ? 1 : 0);
}
