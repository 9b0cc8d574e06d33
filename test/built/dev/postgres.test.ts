import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { type PostgresServer, startPostgres } from "../../../dev/postgres.ts";
import { childrenOf, identify, seen } from "../../../dev/processes.ts";

const FAST = { fsync: "off", shared_buffers: "16MB" };
const folder = mkdtempSync(path.join(tmpdir(), "shadower pöstgres-"));
const cluster = path.join(folder, "pg");
const secret = `${cluster}.secret`;
const bystander = spawn("sleep", ["600"], { stdio: "ignore" });
const strangerPid = bystander.pid ?? 0;
let server: PostgresServer | undefined;

const start = async (onLost?: (error: Error) => void) => {
  server = await startPostgres(cluster, { settings: FAST, ...(onLost ? { onLost } : {}) });
  return server;
};
const stop = async () => {
  await server?.stop();
  server = undefined;
};
const query = async (statement: string) => {
  const client = new pg.Client({ connectionString: server?.url, connectionTimeoutMillis: 2000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.query(statement)).rows;
  } finally {
    client.end().catch(() => undefined);
  }
};
const postmaster = () =>
  Number.parseInt(readFileSync(path.join(cluster, "postmaster.pid"), "utf8"), 10);

beforeAll(async () => {
  await start();
  await query("create table kept as select 1 as row");
});
beforeEach(() => void vi.spyOn(console, "error").mockImplementation(() => undefined));
afterAll(async () => {
  await stop();
  bystander.kill();
  rmSync(folder, { recursive: true, force: true });
});

it("the server refuses a folder that somebody has, and names who", async () => {
  await expect(startPostgres(cluster)).rejects.toThrow(
    `${cluster} is in use by process ${process.pid}`,
  );
});

it("the server is started again on the same address when it ends by itself, with all rows", async () => {
  await stop();
  await start(() => undefined);
  const before = server?.url;
  process.kill(postmaster(), "SIGKILL");
  await vi.waitUntil(() => query("table kept").catch(() => undefined), 20_000);
  expect(server?.url).toBe(before);
  expect(await query("table kept")).toEqual([{ row: 1 }]);
});

it("the server is ended by force when it hangs, and has all rows after that", async () => {
  const pid = postmaster();
  const all = [pid, ...childrenOf(pid)];
  for (const each of all) process.kill(each, "SIGSTOP");
  await stop();
  expect(all.filter((each) => seen(each))).toEqual([]);
  await start();
  expect(await query("table kept")).toEqual([{ row: 1 }]);
  await stop();
});

it("a start never deletes a database whose password is missing or empty, and names the file", async () => {
  renameSync(secret, `${secret}.away`);
  await expect(start()).rejects.toThrow(secret);
  writeFileSync(secret, "");
  await expect(start()).rejects.toThrow(secret);
  renameSync(`${secret}.away`, secret);
  await start();
  expect(await query("table kept")).toEqual([{ row: 1 }]);
  await stop();
});

it("a start signals no program that was given the number of an earlier server or owner", async () => {
  const lock = path.join(cluster, "postmaster.pid");
  writeFileSync(lock, `${strangerPid}\n${cluster}\n0\n1\n\n\n`);
  const another = { ...identify(strangerPid, "sleep"), started: "another time" };
  const record = { owner: another, servers: [{ ...another, ending: "SIGKILL" }] };
  writeFileSync(`${cluster}.owner`, JSON.stringify(record));
  await start();
  await stop();
  // The same number at the same time, of which the command is not what it was.
  const other = { ...identify(strangerPid, "sleep"), mark: cluster };
  writeFileSync(
    `${cluster}.owner`,
    JSON.stringify({ owner: other, servers: [{ ...other, ending: "SIGKILL" }] }),
  );
  await start();
  await stop();
  // A container gives the same number each time: ours, of an earlier life.
  writeFileSync(`${cluster}.owner`, String(process.pid));
  await start();
  expect(await query("table kept")).toEqual([{ row: 1 }]);
  await stop();
  expect(seen(strangerPid)?.command).toContain("sleep");
});

it("a start makes a database anew where the first start was killed, and moves away what it does not know", async () => {
  const fresh = path.join(folder, "fresh");
  mkdirSync(path.join(`${fresh}.new`, "base"), { recursive: true });
  writeFileSync(path.join(`${fresh}.new`, "PG_VERSION"), "18\n");
  mkdirSync(fresh);
  writeFileSync(path.join(fresh, "PG_VERSION"), "18\n");
  const made = await startPostgres(fresh, { settings: FAST });
  await made.stop();
  expect(existsSync(path.join(fresh, "postmaster.opts"))).toBe(true);
  const names = readdirSync(folder);
  expect(names).not.toContain("fresh.new");
  expect(names.filter((name) => name.startsWith("fresh.unfinished-"))).toHaveLength(1);
});

it("the instance gives up a server that ends again and again, and says where its log is", async () => {
  const logFile = path.join(folder, "postgres.log");
  const lost: Error[] = [];
  server = await startPostgres(cluster, {
    settings: FAST,
    logFile,
    onLost: (error) => lost.push(error),
  });
  for (let round = 1; round <= 6; round++) {
    process.kill(postmaster(), "SIGKILL");
    if (round < 6) await vi.waitUntil(() => query("table kept").catch(() => undefined), 20_000);
  }
  await vi.waitUntil(() => lost.length > 0, 20_000);
  expect(lost[0]?.message).toContain(logFile);
  expect(readFileSync(logFile, "utf8")).toContain("ready to accept connections");
});
