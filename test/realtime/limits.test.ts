import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { SocketHolding } from "../../src/realtime/unread.ts";
import { tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";
import { connect, upgrade } from "../support/feed.ts";

beforeAll(async () => {
  await useOwnDatabase();
  Object.assign(env, { REALTIME_SOCKETS_PER_USER: "3", REALTIME_SOCKETS_PER_WORKSPACE: "5" });
});

const feedOf = (workspace: string) => env.FEED.get(env.FEED.idFromName(workspace));
const bearer = async (workspace: string, sub: string, claims: Record<string, unknown> = {}) => ({
  authorization: `Bearer ${await tokenFor(workspace, { sub, ...claims })}`,
});
const answerOf = async (response: Response) => ({
  status: response.status,
  code: ((await response.json()) as { code: string }).code,
  retry: response.headers.get("retry-after"),
});
const LONG = "x".repeat(100);
/** A frame of about 45 kB. */
const much = {
  type: "executions" as const,
  created: 100,
  updated: 0,
  executions: Array.from({ length: 100 }, () => ({
    id: LONG,
    agent_id: LONG,
    user_id: LONG,
    status: "running",
    change: "created" as const,
  })),
};

describe("connections", () => {
  it("of a user and of a workspace have a limit, and those that end make room", async () => {
    const of = async (sub: string) => connect("caps", "", await bearer("caps", sub));
    const [first, ...others] = await Promise.all([of("ada"), of("ada"), of("ada")]);
    expect(await answerOf(await upgrade("", await bearer("caps", "ada")))).toEqual({
      status: 429,
      code: "too_many_connections",
      retry: "30",
    });
    const bob = [await of("bob"), await of("bob")];
    expect(await answerOf(await upgrade("", await bearer("caps", "bob")))).toMatchObject({
      status: 429,
      code: "workspace_connections",
    });
    first?.socket.close(1000);
    await vi.waitUntil(async () => {
      const response = await upgrade("", await bearer("caps", "ada"));
      response.webSocket?.accept();
      if (response.status === 101) response.webSocket?.close(1000);
      return response.status === 101;
    });
    for (const { socket } of [...others, ...bob]) socket.close(1000);
  });

  it("end when their token does, though nothing happens", async () => {
    const soon = await tokenFor("expiry");
    const { socket, closed, frames } = await connect("expiry", "", {
      authorization: `Bearer ${soon}`,
    });
    await runInDurableObject(feedOf("expiry"), async (_, state) => {
      const [one] = state.getWebSockets();
      one?.serializeAttachment({ userId: "tester", expiresAtMs: Date.now() + 1_500 });
    });
    // Another visitor: the alarm is set anew, for the first of all ends.
    const other = await connect("expiry", "", await bearer("expiry", "other"));
    await vi.waitUntil(() => closed.length > 0, { timeout: 20_000 });
    expect(closed).toEqual([4002]);
    expect(frames.map(({ type }) => type)).not.toContain("executions");
    expect(other.closed).toEqual([]);
    socket.close();
    other.socket.close(1000);
  });

  it("that end leave no alarm that would compute numbers for nobody", async () => {
    const { socket } = await connect("nobody", "", await bearer("nobody", "ada"));
    const stub = feedOf("nobody");
    await stub.publish("nobody", [{ type: "events", created: 1 }]);
    socket.close(1000);
    await vi.waitUntil(
      () =>
        runInDurableObject(
          stub,
          async (_, state) =>
            state.getWebSockets().length === 0 && (await state.storage.getAlarm()) === null,
        ),
      { timeout: 20_000 },
    );
    const seq = () => runInDurableObject(stub, (_, { storage }) => storage.kv.get<number>("seq"));
    const before = await seq();
    await stub.publish("nobody", [{ type: "events", created: 1 }]);
    expect(await seq()).toBe(before);
    expect(await runInDurableObject(stub, (_, { storage }) => storage.getAlarm())).toBeNull();
  });
});

describe("a client that does not say what it has read", () => {
  it("is closed before it holds more than its part, and one that says so is not", async () => {
    const silent = await connect("unread", "", await bearer("unread", "ada"));
    const reading = await connect("unread", "", await bearer("unread", "ada"));
    let acks = 0;
    reading.socket.addEventListener("message", ({ data }) => {
      const { ack } = JSON.parse(String(data)) as { ack?: string };
      if (ack === undefined) return;
      acks++;
      reading.socket.send(JSON.stringify({ type: "ack", ack }));
    });
    const stub = feedOf("unread");
    let sent = 0;
    for (; sent < 400 && silent.closed.length === 0; sent++) {
      await stub.publish("unread", [much]);
      // Whoever reads slowly is not asked for more than it was sent.
      await vi.waitUntil(
        () => reading.frames.filter(({ type }) => type === "executions").length > sent,
      );
    }
    expect(silent.closed).toEqual([4008]);
    expect(reading.closed).toEqual([]);
    const bytes = JSON.stringify(silent.frames).length;
    expect(bytes).toBeGreaterThan(7 * 1024 * 1024);
    expect(bytes).toBeLessThan(8.1 * 1024 * 1024);
    expect(acks).toBeGreaterThan(10);
    const seqs = reading.frames.map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
    reading.socket.close(1000);
  });

  it("gains nothing by a sign that it was not asked for, nor by other messages", async () => {
    const { socket, closed } = await connect("guess", "", await bearer("guess", "ada"));
    const stub = feedOf("guess");
    const unread = () =>
      runInDurableObject(stub, (_, state) => {
        const [one] = state.getWebSockets();
        return (one?.deserializeAttachment() as SocketHolding | undefined)?.unread;
      });
    await stub.publish("guess", [much]);
    const before = await unread();
    expect(before).toBeGreaterThan(30_000);
    for (const text of [
      "x",
      "{",
      '{"type":"ack"}',
      '{"type":"ack","ack":"guess"}',
      "x".repeat(9_999),
    ])
      socket.send(text);
    socket.send(new Uint8Array([1, 2, 3]));
    await stub.publish("guess", [much]);
    expect(await unread()).toBeGreaterThan((before ?? 0) + 30_000);
    expect(closed).toEqual([]);
    socket.close(1000);
  });
});
