import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTo, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import WebSocket from "ws";
import { childrenOf, seen } from "../../dev/processes.ts";
import { type Instance, startInstance } from "./support/instance.ts";

const SOCKETS = 40;
const LONG = "x".repeat(100);
let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());

/** Megabytes of memory of the runtimes of this process. */
const memory = () =>
  childrenOf(process.pid)
    .filter((pid) => seen(pid)?.command.includes("workerd"))
    .map((pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]))
    .reduce((sum, kilobytes) => sum + kilobytes / 1024, 0);

/** A client that sends its request and never reads what follows. */
async function deaf(token: string): Promise<Socket> {
  const { hostname, port } = new URL(instance.url);
  const socket = connectTo(Number(port), hostname);
  await once(socket, "connect");
  const lines = [
    "GET /api/v1/realtime HTTP/1.1",
    `Host: ${hostname}:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    `Authorization: Bearer ${token}`,
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  await once(socket, "readable");
  socket.pause();
  return socket;
}

/** A client that reads, and sends back the sign that a frame asks for. */
async function reader(token: string) {
  const socket = new WebSocket(`${instance.url.replace("http", "ws")}/api/v1/realtime`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const seqs: number[] = [];
  const closed: number[] = [];
  socket.on("message", (data) => {
    const { seq, ack } = JSON.parse(String(data)) as { seq: number; ack?: string };
    seqs.push(seq);
    if (ack) socket.send(JSON.stringify({ type: "ack", ack }));
  });
  socket.on("close", (code) => closed.push(code));
  await once(socket, "open");
  return { socket, seqs, closed };
}

it("forty clients that never read cost a bounded memory, and harm nobody who reads", async () => {
  const viewer = await instance.token("deaf", { role: "viewer", sub: "viewer" });
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => deaf(viewer)));
  const good = await reader(await instance.token("deaf", { sub: "reader" }));
  const stub = (await instance.worker.getDurableObjectNamespace("FEED")) as unknown as {
    idFromName(name: string): unknown;
    get(id: unknown): { publish(workspace: string, list: unknown[]): Promise<void> };
  };
  const feed = stub.get(stub.idFromName("deaf"));
  const executions = Array.from({ length: 100 }, (_, index) => ({
    id: `${index}${LONG}`,
    agent_id: LONG,
    user_id: LONG,
    status: "running",
    change: "created",
  }));
  const before = memory();
  // 26 MB for each of them, 1 GB together.
  const frames = 700;
  for (let sent = 0; sent < frames; sent++) {
    await feed.publish("deaf", [{ type: "executions", created: 100, updated: 0, executions }]);
    const last = sent;
    await vi.waitUntil(() => good.seqs.length > last || good.closed.length > 0, {
      timeout: 20_000,
    });
  }
  const grown = memory() - before;
  console.log(`${SOCKETS} deaf sockets, ${frames} frames: ${Math.round(grown)} MB`);
  expect(grown).toBeLessThan(200);
  expect(good.closed).toEqual([]);
  const [first = 0] = good.seqs;
  expect(good.seqs).toEqual(good.seqs.map((_, index) => first + index));
  good.socket.close();
  for (const socket of sockets) socket.destroy();
});
