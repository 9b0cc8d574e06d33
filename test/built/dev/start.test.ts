import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import pg from "pg";
import { afterAll, expect, inject, it, vi } from "vitest";
import WebSocket from "ws";
import type { LaunchedInstance } from "../../../dev/launch.ts";
import { childrenOf, seen } from "../../../dev/processes.ts";
import { soak } from "../../../dev/soak.ts";
import { localFolder, STARTS_MS } from "../support/local.ts";

const folder = localFolder("dätä of two words");
vi.setConfig({ testTimeout: STARTS_MS, hookTimeout: STARTS_MS });
afterAll(() => folder.remove());
const RANGE = { from: "2026-03-01T00:00:00Z", to: "2026-03-02T00:00:00Z" };
const SLOW = { timeout: 30_000, interval: 100 };

/** Sends a signal to the process alone. @returns its exit code */
async function end(instance: LaunchedInstance, signal: NodeJS.Signals): Promise<number | null> {
  instance.process.kill(signal);
  return instance.exited;
}
const headersOf = ({ token }: LaunchedInstance) => ({
  authorization: `Bearer ${token}`,
  "content-type": "application/json",
});

const execution = (id: string) => ({
  id,
  agent_id: "a",
  user_id: "u",
  status: "success",
  started_at: "2026-03-01T10:00:00Z",
});

async function ask(at: LaunchedInstance, path: string, body?: unknown) {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(`${at.url}/api/v1${path}`, { headers: headersOf(at), ...init });
  // biome-ignore lint/suspicious/noExplicitAny: a test reads answers field by field and fails on what is not there
  return { status: answer.status, body: (await answer.json()) as any };
}

async function executions(at: LaunchedInstance): Promise<number> {
  const { body } = await ask(at, `/metrics/summary?${new URLSearchParams(RANGE)}`);
  return body.data.executions;
}

/** The number of the feed's last frame, as it greets who comes. */
async function feedNumber(at: LaunchedInstance): Promise<number> {
  const socket = new WebSocket(`${at.url.replace("http", "ws")}/api/v1/realtime`, {
    headers: headersOf(at),
  });
  const [message] = (await once(socket, "message")) as [Buffer];
  socket.close();
  return JSON.parse(message.toString()).data.seq;
}

/** Holds a table, so that whoever writes to it waits. @returns lets it go */
async function hold(table: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: folder.databaseUrl() });
  await client.connect();
  await client.query(`begin; lock table ${table} in exclusive mode`);
  await vi.waitUntil(async () => {
    const { rows } = await client.query("select 1 from pg_locks where not granted");
    return rows.length > 0;
  }, SLOW);
  return () => client.end();
}

it("the instance keeps files, the feed's numbers and jobs that waited over a stop", async () => {
  const libpq = { PGSSLMODE: "require", PGOPTIONS: "-c no_such=1", PGDATA: "/", PGPORT: "1" };
  const first = await folder.start(libpq);
  expect(await (await fetch(`${first.url}/ready`)).json()).toMatchObject({ ready: true });
  expect((await ask(first, "/executions", execution("e1"))).status).toBe(201);
  const order = { source: "executions", format: "ndjson", ...RANGE };
  const { body: made } = await ask(first, "/exports", order);
  const download = (at: LaunchedInstance) =>
    fetch(`${at.url}/api/v1/exports/${made.data.id}/files/0`, { headers: headersOf(at) });
  await vi.waitUntil(async () => (await download(first)).status === 200, SLOW);
  const bytes = await (await download(first)).text();
  const seq = await vi.waitUntil(() => feedNumber(first), SLOW);
  expect(seq).toBeGreaterThan(0);
  const { body: waiting } = await ask(first, "/exports", { ...order, format: "csv" });
  expect(await end(first, "SIGINT")).toBe(0);
  expect(folder.leftOvers()).toEqual([]);

  const second = await folder.start();
  const again = await download(second);
  expect([again.status, await again.text()]).toEqual([200, bytes]);
  expect(await feedNumber(second)).toBeGreaterThanOrEqual(seq);
  expect(await executions(second)).toBe(1);
  const later = `/exports/${waiting.data.id}`;
  await vi.waitUntil(async () => (await ask(second, later)).body.data.status === "done", SLOW);
  expect(await end(second, "SIGTERM")).toBe(0);
});

it("the instance answers requests in flight before it stops, and refuses new ones", async () => {
  const instance = await folder.start();
  const sending = ask(instance, "/executions", execution("under-way"));
  const release = await hold("executions");
  const ended = end(instance, "SIGINT");
  const refused = await vi.waitUntil(async () => {
    const answer = await fetch(`${instance.url}/health`);
    return answer.status === 503 && answer;
  }, SLOW);
  expect([refused.headers.get("retry-after"), (await refused.json()).code]).toEqual([
    "5",
    "stopping",
  ]);
  await release();
  expect((await sending).status).toBe(201);
  expect(await ended).toBe(0);
});

it("the instance answers /ready within its time while the database hangs, and ends at once when asked twice", async () => {
  const instance = await folder.start();
  const [postmaster] = folder.servers("postgres");
  const frozen = [postmaster?.pid ?? 0, ...childrenOf(postmaster?.pid ?? 0)];
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  const answer = await fetch(`${instance.url}/ready`, { signal: AbortSignal.timeout(20_000) });
  expect([answer.status, await answer.json()]).toMatchObject([
    503,
    { checks: expect.arrayContaining([expect.objectContaining({ name: "database", ok: false })]) },
  ]);
  const sending = fetch(`${instance.url}/api/v1/executions`, {
    method: "POST",
    headers: headersOf(instance),
    body: JSON.stringify(execution("never")),
  }).catch(() => undefined);
  instance.process.kill("SIGINT");
  await vi.waitUntil(async () => (await fetch(`${instance.url}/health`)).status === 503, SLOW);
  // A sooner one is the same Ctrl-C, passed on by npm.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await end(instance, "SIGINT")).toBe(1);
  await sending;
  await vi.waitUntil(() => !frozen.some((pid) => seen(pid)), SLOW);
});

it("the instance refuses to start, with the name of what is in the way", async () => {
  const occupied = createServer().listen(0, "127.0.0.1");
  await once(occupied, "listening");
  const PORT = String((occupied.address() as AddressInfo).port);
  await expect(folder.start({ PORT })).rejects.toThrow(`Port ${PORT} is in use`);
  occupied.close();
  const secret = path.join(folder.dataDir, "jwt.secret");
  const notFolder = path.join(secret, "below");
  await expect(folder.start({ DATA_DIR: notFolder })).rejects.toThrow(
    `${notFolder} cannot be written to`,
  );
  renameSync(secret, `${secret}.away`);
  writeFileSync(secret, "");
  await expect(folder.start()).rejects.toThrow(`${secret} has no key`);
  renameSync(`${secret}.away`, secret);
  await expect(folder.start({ PUBLIC_URL: "nowhere" })).rejects.toThrow("PUBLIC_URL");
  expect(folder.leftOvers()).toEqual([]);
});

it("the instance loses no acknowledged row and doubles none over kills and a crash of each server", async () => {
  const bundle = inject("builtWorker").replace(/local-entry\.js$/, "index.js");
  const faults = ["kill with keeper", "kill runtime", "kill", "kill database"] as const;
  const result = await soak(faults, { WORKER_BUNDLE: bundle });
  expect(result).toMatchObject({ lost: 0, doubled: 0 });
  expect(result.acknowledged).toBeGreaterThan(0);
});
