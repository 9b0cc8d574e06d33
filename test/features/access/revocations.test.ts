import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { connect } from "../../support/feed.ts";

const PATH = "/api/v1/auth/revocations";
const SUMMARY = "/api/v1/metrics/summary?timeframe=24h";

beforeAll(useOwnDatabase);
afterEach(() => void vi.useRealTimers());

const adminOf = async (workspace: string) => clientOf(await tokenFor(workspace));
const statusOf = async (token: string, workspace?: string) => {
  const path = workspace === undefined ? SUMMARY : `${SUMMARY}&workspace_id=${workspace}`;
  const { status, body } = await clientOf(token).get(path);
  return status === 200 ? 200 : `${status} ${body.code}`;
};
const later = (ms: number) => vi.useFakeTimers({ now: Date.now() + ms, toFake: ["Date"] });
/** As another isolate does it. */
const revokeElsewhere = (workspace: string, user: string) =>
  testContext().db.run(sql`
    insert into revocations (workspace_id, id, user_id, before, created_by)
    values (${workspace}, ${`elsewhere-${user}`}, ${user}, now() + interval '1 second', 'test')`);

describe("A revoked token", () => {
  it("is refused by its id, and the user's other tokens are not", async () => {
    const [lost, other] = [
      await tokenFor("one", { sub: "ann", jti: "lost" }),
      await tokenFor("one", { sub: "ann", jti: "other" }),
    ];
    expect([await statusOf(lost), await statusOf(other)]).toEqual([200, 200]);
    const { status, body } = await (await adminOf("one")).post(PATH, { jti: "lost" });
    expect([status, body.data.jti, body.data.user_id]).toEqual([201, "lost", null]);
    expect([await statusOf(lost), await statusOf(other)]).toEqual(["401 token_revoked", 200]);
  });

  it("is refused by its user where it was issued before the moment", async () => {
    const sub = "Zoë 李 عمر";
    const token = await tokenFor("two", { sub });
    const neighbour = await tokenFor("two", { sub: "bob" });
    const { body } = await (await adminOf("two")).post(PATH, { user_id: sub });
    expect(Date.parse(body.data.before)).toBeLessThanOrEqual(Date.now());
    expect(await statusOf(token)).toBe("401 token_revoked");
    expect(await statusOf(neighbour)).toBe(200);
    later(2_000);
    expect(await statusOf(await tokenFor("two", { sub }))).toBe(200);
  });

  it("stays revoked when an earlier moment is said after a later one", async () => {
    const admin = await adminOf("three");
    const token = await tokenFor("three", { sub: "ann" });
    const first = await admin.post(PATH, { user_id: "ann" });
    const second = await admin.post(PATH, { user_id: "ann", before: "2020-01-01T00:00:00Z" });
    expect([second.status, second.body.data]).toEqual([201, first.body.data]);
    expect(await statusOf(token)).toBe("401 token_revoked");
    expect((await admin.get(PATH)).body.data).toHaveLength(1);
  });

  it("loses the workspace that revoked it and no other", async () => {
    const workspaces = { four: "admin", five: "admin" };
    const token = await tokenFor("four", { sub: "ann", workspaces });
    expect([await statusOf(token, "four"), await statusOf(token, "five")]).toEqual([200, 200]);
    expect((await (await adminOf("four")).post(PATH, { user_id: "ann" })).status).toBe(201);
    expect(await statusOf(token, "four")).toBe("403 workspace_forbidden");
    expect(await statusOf(token, "five")).toBe(200);
    const listed = await clientOf(token).get("/api/v1/workspaces");
    expect(listed.body.data.map(({ id }: { id: string }) => id)).toEqual(["five"]);
    expect((await clientOf(token).get("/api/v1/workspaces/four")).status).toBe(404);
  });

  it("is refused within 30 seconds where another isolate has revoked it", async () => {
    const token = await tokenFor("six", { sub: "ann" });
    expect(await statusOf(token)).toBe(200);
    await revokeElsewhere("six", "ann");
    later(30_001);
    expect(await statusOf(token)).toBe("401 token_revoked");
  });

  it("is accepted again when the revocation is taken back, by its own workspace alone", async () => {
    const admin = await adminOf("seven");
    const token = await tokenFor("seven", { sub: "ann" });
    const { body } = await admin.post(PATH, { user_id: "ann" });
    const path = `${PATH}/${body.data.id}`;
    expect((await (await adminOf("eight")).send(path, { method: "DELETE" })).status).toBe(404);
    expect(await statusOf(token)).toBe("401 token_revoked");
    expect((await admin.send(path, { method: "DELETE" })).status).toBe(204);
    expect(await statusOf(token)).toBe(200);
  });

  it("ends its connection to the feed within a minute, and so does a deleted key", async () => {
    const admin = await adminOf("nine");
    const scopes = ["read:realtime"];
    const made = await admin.post("/api/v1/auth/api-keys", { name: "k", scopes });
    const { id, secret } = made.body.data;
    const protocols = (text: string) => ({
      "sec-websocket-protocol": `shadower.v1, bearer.${text}`,
    });
    const ann = await connect("nine", "", protocols(await tokenFor("nine", { sub: "ann" })));
    const bot = await connect("nine", "", protocols(secret));
    const bob = await connect("nine", "", protocols(await tokenFor("nine", { sub: "bob" })));
    const { body } = await clientOf(await tokenFor("nine", { sub: "ann" })).post(
      "/api/v1/realtime/tickets",
      {},
    );
    const byTicket = await connect("nine", `?ticket=${body.data.ticket}`, {});
    await admin.post(PATH, { user_id: "ann" });
    await admin.send(`/api/v1/auth/api-keys/${id}`, { method: "DELETE" });
    const stub = env.FEED.get(env.FEED.idFromName("nine"));
    const due = await runInDurableObject(stub, async (_, { storage }) => {
      await storage.deleteAlarm();
      const at = storage.kv.get<number>("checked") ?? 0;
      storage.kv.put("checked", at - 30_000);
      await storage.setAlarm(Date.now() + 60_000);
      return at;
    });
    expect(due).toBeGreaterThan(Date.now() - 30_000);
    await runDurableObjectAlarm(stub);
    await vi.waitUntil(() => [ann, bot, byTicket].every(({ closed }) => closed.length > 0));
    expect([ann, bot, byTicket, bob].map(({ closed }) => closed)).toEqual([
      [4003],
      [4003],
      [4003],
      [],
    ]);
    const next = await runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
    expect(next).toBeLessThanOrEqual(Date.now() + 30_000);
    bob.socket.close(1000);
  });
});

describe("A revocation", () => {
  it("is made by admins, of a moment that has come, and says one thing", async () => {
    const admin = await adminOf("ten");
    const analyst = clientOf(await tokenFor("ten", { role: "analyst" }));
    expect((await analyst.post(PATH, { jti: "x" })).status).toBe(403);
    expect((await analyst.get(PATH)).status).toBe(403);
    for (const body of [
      {},
      { jti: "x", user_id: "y" },
      { jti: "" },
      { before: "2026-01-01T00:00:00Z" },
    ])
      expect([body, (await admin.post(PATH, body)).status]).toEqual([body, 400]);
    const future = new Date(Date.now() + 3_600_000).toISOString();
    const late = await admin.post(PATH, { user_id: "ann", before: future });
    expect([late.status, late.body.errors[0].path]).toEqual([422, "json.before"]);
    expect((await admin.get(PATH)).body.data).toEqual([]);
  });

  it("of a token without a time of issue counts it as issued long ago", async () => {
    const { SignJWT } = await import("jose");
    const token = await new SignJWT({
      workspaceId: "eleven",
      workspaces: ["eleven"],
      role: "admin",
    })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("ann")
      .setExpirationTime("1h")
      .sign(new TextEncoder().encode(env.JWT_SECRET_KEY));
    expect(await statusOf(token)).toBe(200);
    const before = "1980-01-01T00:00:00Z";
    await (await adminOf("eleven")).post(PATH, { user_id: "ann", before });
    expect(await statusOf(token)).toBe("401 token_revoked");
  });
});
