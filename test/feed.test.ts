import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { executionIntake } from "../src/features/executions/ingest.ts";
import { storeChecked } from "../src/intake/items.ts";
import { clientOf, tokenFor } from "./support/client.ts";
import { testContext } from "./support/context.ts";
import { useOwnDatabase } from "./support/database.ts";
import { connect, type Frame, upgrade } from "./support/feed.ts";

beforeAll(useOwnDatabase);
const item = { agent_id: "a", user_id: "u", status: "running" };
const until = (frames: Frame[], type: string) =>
  vi.waitUntil(() => frames.find((frame) => frame.type === type), { timeout: 10_000 });

describe("the feed", () => {
  it("shows each stored chunk and then the numbers, numbered without a gap", async () => {
    const { response, frames, socket } = await connect("feed-a");
    expect(response.headers.get("sec-websocket-protocol")).toBe("shadower.v1");
    expect(frames[0]).toMatchObject({ type: "hello", data: { seq: frames[0]?.seq } });
    const api = clientOf(await tokenFor("feed-a"));
    await api.post("/api/v1/executions", {
      executions: [
        { ...item, id: "f1", started_at: "2026-10-01T00:00:00Z" },
        { ...item, id: "f2", started_at: "2026-10-01T00:00:00Z" },
      ],
    });
    const shown = await until(frames, "executions");
    expect(shown.data).toEqual({
      created: 2,
      updated: 0,
      executions: [
        { ...item, id: "f1", change: "created" },
        { ...item, id: "f2", change: "created" },
      ],
    });
    const metrics = await vi.waitUntil(
      () => frames.find((frame) => frame.type === "metrics" && frame.data.data.running === 2),
      {
        timeout: 10_000,
      },
    );
    const asked = await api.get("/api/v1/metrics/realtime", { "cache-control": "no-cache" });
    expect(metrics.data.data.running).toBe(asked.body.data.running);
    await api.post("/api/v1/executions", { ...item, id: "f1", started_at: "2026-10-01T00:00:00Z" });
    await api.post("/api/v1/events", { event_type: "x", user_id: "u" });
    await until(frames, "events");
    const sequence = frames.map((frame) => frame.seq);
    expect(sequence).toEqual(sequence.map((_, index) => (sequence[0] ?? 0) + index));
    expect(frames.filter((frame) => frame.type === "executions")).toHaveLength(1);
    socket.close(1000);
  });

  it("goes on counting after it slept", async () => {
    const { frames, socket } = await connect("feed-sleep");
    const api = clientOf(await tokenFor("feed-sleep"));
    await api.post("/api/v1/executions", item);
    const first = await until(frames, "executions");
    const stub = env.FEED.get(env.FEED.idFromName("feed-sleep"));
    await runDurableObjectAlarm(stub);
    await evictDurableObject(stub);
    const seen = frames.length;
    await api.post("/api/v1/executions", item);
    const next = await vi.waitUntil(
      () => frames.slice(seen).find((frame) => frame.type === "executions"),
      { timeout: 10_000 },
    );
    expect(next.seq).toBeGreaterThan(first.seq);
    expect(frames.map((frame) => frame.seq)).toEqual(
      frames.map((_, index) => (frames[0]?.seq ?? 0) + index),
    );
    socket.close(1000);
  });

  it("keeps workspaces apart", async () => {
    const { frames, socket } = await connect("feed-b");
    await clientOf(await tokenFor("feed-c")).post("/api/v1/executions", item);
    await clientOf(await tokenFor("feed-b")).post("/api/v1/executions", {
      ...item,
      agent_id: "mine",
    });
    const shown = await until(frames, "executions");
    expect(shown.data.executions).toMatchObject([{ agent_id: "mine" }]);
    socket.close(1000);
  });

  it("answers ping without waking, and closes a socket whose token has ended", async () => {
    const { frames, socket, closed } = await connect("feed-d");
    const pongs: unknown[] = [];
    socket.addEventListener("message", (event) => event.data === "pong" && pongs.push(event.data));
    await runInDurableObject(env.FEED.get(env.FEED.idFromName("feed-d")), (_, state) => {
      for (const each of state.getWebSockets())
        each.serializeAttachment({ userId: "tester", expiresAtMs: Date.now() - 1 });
    });
    await clientOf(await tokenFor("feed-d")).post("/api/v1/executions", item);
    await vi.waitUntil(() => closed.length > 0, { timeout: 10_000 });
    expect(closed).toEqual([4002]);
    expect(frames.some((frame) => frame.type === "executions")).toBe(false);
  });

  it("never fails or slows intake when it is down", async () => {
    const down = {
      idFromName: () => ({}),
      get: () => ({ publish: () => Promise.reject(new Error("down")) }),
    } as unknown as Env["FEED"];
    const ctx = testContext({ feed: down });
    const kind = executionIntake(ctx, "feed-down");
    const [result] = await storeChecked(kind, [
      kind.check({ ...item, id: "stored", started_at: "2026-10-01T00:00:00Z" }, Date.now(), {
        id: "",
        reproducible: false,
      }),
    ]);
    expect(result?.result).toBe("created");
    await ctx.settled();
    expect(
      (await clientOf(await tokenFor("feed-down")).get("/api/v1/executions/stored")).status,
    ).toBe(200);
  });
});

describe("a visitor of the feed", () => {
  const code = async (response: Response) => [
    response.status,
    ((await response.json()) as { code: string }).code,
  ];
  it("is authenticated before the upgrade", async () => {
    expect(await code(await upgrade(""))).toEqual([401, "missing_token"]);
    expect(
      await code(await upgrade("", { "sec-websocket-protocol": "shadower.v1, bearer.nonsense" })),
    ).toEqual([401, "invalid_token"]);
    expect(
      await code(
        await upgrade("?workspace_id=other", {
          authorization: `Bearer ${await tokenFor("feed-e")}`,
        }),
      ),
    ).toEqual([403, "workspace_forbidden"]);
    expect(await code(await upgrade(`?token=${await tokenFor("feed-e")}`))).toEqual([
      400,
      "invalid_request",
    ]);
    expect((await clientOf(await tokenFor("feed-e")).get("/api/v1/realtime")).body.code).toBe(
      "not_a_websocket",
    );
  });

  it("chooses the subprotocol only if it was offered", async () => {
    const bearer = `bearer.${await tokenFor("feed-e")}`;
    const chosen = async (offered: string) => {
      const { socket, response } = await connect("feed-e", "", {
        "sec-websocket-protocol": offered,
      });
      socket.close();
      return response.headers.get("sec-websocket-protocol");
    };
    expect([await chosen(bearer), await chosen(`${bearer}, shadower.v1`)]).toEqual([
      null,
      "shadower.v1",
    ]);
  });

  it("offers one token, and no second one beside it", async () => {
    const token = await tokenFor("feed-e");
    const several = { "sec-websocket-protocol": `bearer.${token}, shadower.v1, bearer.${token}` };
    expect(await code(await upgrade("", several))).toEqual([400, "several_tokens"]);
    const none = { "sec-websocket-protocol": "bearer., shadower.v1" };
    expect(await code(await upgrade("", none))).toEqual([401, "missing_token"]);
  });

  it("is told by HEAD and other methods that this is a WebSocket", async () => {
    const api = clientOf(await tokenFor("feed-e"));
    expect((await api.send("/api/v1/realtime", { method: "HEAD" })).status).toBe(400);
    const other = await api.send("/api/v1/realtime", { method: "OPTIONS" });
    expect([other.status, other.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});
