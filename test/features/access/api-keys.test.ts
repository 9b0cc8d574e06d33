import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { keyIdFrom, newKeyText } from "../../../src/auth/api-key.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

const KEYS = "/api/v1/auth/api-keys";
const SUMMARY = "/api/v1/metrics/summary?timeframe=24h";
const RUN = { agent_id: "agent", user_id: "Zoë 李 عمر", status: "success" };

beforeAll(useOwnDatabase);

const adminOf = async (workspace: string) => clientOf(await tokenFor(workspace));

async function issue(workspace: string, asked: object = {}) {
  const admin = await adminOf(workspace);
  const body = { name: "bot", scopes: ["read:metrics", "write:executions"], ...asked };
  const { status, body: answer } = await admin.post(KEYS, body);
  expect([status, answer.code]).toEqual([201, undefined]);
  return { admin, key: answer.data, client: clientOf(answer.data.secret) };
}

describe("An API key", () => {
  it("sends executions and asks for numbers, as a bearer and in its own header", async () => {
    const { client, key } = await issue("own");
    expect((await client.post("/api/v1/executions", RUN)).status).toBe(201);
    const asBearer = await client.get(SUMMARY, { "cache-control": "no-cache" });
    expect([asBearer.status, asBearer.body.data.executions]).toEqual([200, 1]);
    const inHeader = await client.send(SUMMARY, {
      headers: { authorization: "", "x-api-key": key.secret },
    });
    expect(inHeader.status).toBe(200);
  });

  it("may do what its scopes say and nothing else", async () => {
    const { client } = await issue("scoped", { scopes: ["read:metrics"] });
    expect((await client.get(SUMMARY)).status).toBe(200);
    const refused = [
      await client.post("/api/v1/executions", RUN),
      await client.get("/api/v1/executions"),
      await client.post("/api/v1/exports", { source: "agents", format: "csv", timeframe: "7d" }),
      await client.post("/api/v1/realtime/tickets", {}),
      await client.get(KEYS),
      await client.post(KEYS, { name: "more", scopes: ["read:metrics"] }),
    ];
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 403));
  });

  it("acts in its workspace alone", async () => {
    const { client } = await issue("mine");
    expect((await client.get(`${SUMMARY}&workspace_id=theirs`)).status).toBe(403);
    expect((await client.get("/api/v1/workspaces/theirs")).status).toBe(404);
    expect(
      (await client.get("/api/v1/workspaces")).body.data.map((w: { id: string }) => w.id),
    ).toEqual(["mine"]);
  });

  it("shows its secret once, and nothing that is stored can show it again", async () => {
    const { admin, key } = await issue("secret");
    expect(key.secret).toMatch(/^sk_test_[a-z0-9]{8}_[\w-]{49}$/);
    expect(key.secret.startsWith(`${key.prefix}_`)).toBe(true);
    const listed = await admin.get(KEYS);
    expect(listed.body.data).toHaveLength(1);
    const { secret: _, ...shown } = key;
    expect(listed.body.data[0]).toEqual(shown);
    const { db } = testContext();
    const rows = await db.all({
      sql: sql`select k::text as row from api_keys k where k.id = ${key.id}`,
      row: z.object({ row: z.string() }),
    });
    const random = key.secret.slice(`${key.prefix}_`.length);
    expect(rows.map(({ row }) => row.includes(random))).toEqual([false]);
  });

  it("does no more than its author may", async () => {
    const author = await tokenFor("author", { role: "viewer", permissions: ["manage:keys"] });
    const client = clientOf(author);
    const ask = (scopes: string[]) => client.post(KEYS, { name: "k", scopes });
    expect((await ask(["read:metrics"])).status).toBe(201);
    const refused = await ask(["read:metrics", "write:executions"]);
    expect([refused.status, refused.body.code]).toEqual([403, "permission_missing"]);
    expect((await ask(["manage:keys"])).status).toBe(400);
    expect((await clientOf(await tokenFor("author", { role: "analyst" })).get(KEYS)).status).toBe(
      403,
    );
  });

  it("is refused where it is mistyped, made up, of no workspace or no key at all", async () => {
    const { key } = await issue("typed");
    const at = key.secret.length - 20;
    const mistyped = `${key.secret.slice(0, at)}${key.secret[at] === "A" ? "B" : "A"}${key.secret.slice(at + 1)}`;
    const guessed = await newKeyText("test", key.id);
    const unknown = await newKeyText("test", await keyIdFrom("nobody"));
    for (const text of [mistyped, guessed, unknown, "sk_", "sk_test_short", `${key.secret}A`]) {
      const answer = await clientOf(text).get(SUMMARY);
      expect([answer.status, answer.body.code]).toEqual([401, "invalid_key"]);
    }
    const header = await clientOf("").send(SUMMARY, {
      headers: { authorization: "", "x-api-key": await tokenFor("typed") },
    });
    expect([header.status, header.body.code]).toEqual([401, "invalid_key"]);
    expect((await clientOf(key.secret).get(SUMMARY)).status).toBe(200);
  });

  it("is refused after its end, and cannot be made with one that is over", async () => {
    const { admin, key, client } = await issue("ending", {
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
    });
    await testContext().db.run(
      sql`update api_keys set expires_at = now() - interval '1 second' where id = ${key.id}`,
    );
    expect((await client.get(SUMMARY)).status).toBe(401);
    const late = await admin.post(KEYS, {
      name: "k",
      scopes: ["read:metrics"],
      expires_at: "2020-01-01T00:00:00Z",
    });
    expect([late.status, late.body.errors[0].path]).toEqual([422, "json.expires_at"]);
  });

  it("is found by many requests at once, and its use is noted once a minute", async () => {
    const { client, key } = await issue("busy");
    const answers = await Promise.all(Array.from({ length: 50 }, () => client.get(SUMMARY)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const used = async () =>
      (await (await adminOf("busy")).get(KEYS)).body.data.find(
        (each: { id: string }) => each.id === key.id,
      ).last_used_at;
    await expect.poll(used).not.toBeNull();
    const first = await used();
    await client.get(SUMMARY);
    expect(await used()).toBe(first);
  });
});

describe("A rotated key", () => {
  it("is accepted with both secrets while they overlap", async () => {
    const { admin, key, client } = await issue("rotating");
    const { status, body } = await admin.post(`${KEYS}/${key.id}/rotate`, {});
    expect([status, body.data.id]).toEqual([200, key.id]);
    expect(Date.parse(body.data.previous_until)).toBeGreaterThan(Date.now() + 3_500_000);
    const renewed = clientOf(body.data.secret);
    expect([(await client.get(SUMMARY)).status, (await renewed.get(SUMMARY)).status]).toEqual([
      200, 200,
    ]);
    await testContext().db.run(
      sql`update api_keys set previous_until = now() where id = ${key.id}`,
    );
    // Another rotation makes this isolate look the key up again.
    const third = await admin.post(`${KEYS}/${key.id}/rotate`, { overlap_seconds: 60 });
    expect((await client.get(SUMMARY)).status).toBe(401);
    expect((await renewed.get(SUMMARY)).status).toBe(200);
    expect((await clientOf(third.body.data.secret).get(SUMMARY)).status).toBe(200);
  });

  it("loses its former secret at once without an overlap", async () => {
    const { admin, key, client } = await issue("at-once");
    expect((await client.get(SUMMARY)).status).toBe(200);
    const { body } = await admin.post(`${KEYS}/${key.id}/rotate`, { overlap_seconds: 0 });
    expect(body.data.previous_until).toBeNull();
    expect((await client.get(SUMMARY)).status).toBe(401);
    expect((await clientOf(body.data.secret).get(SUMMARY)).status).toBe(200);
  });
});

describe("The keys of a workspace", () => {
  it("are deleted by its own admins alone, and refused from then on", async () => {
    const { admin, key, client } = await issue("deleting");
    expect((await client.get(SUMMARY)).status).toBe(200);
    const stranger = await adminOf("stranger");
    const path = `${KEYS}/${key.id}`;
    expect((await stranger.send(path, { method: "DELETE" })).status).toBe(404);
    expect((await stranger.post(`${path}/rotate`, {})).status).toBe(404);
    expect((await stranger.get(KEYS)).body.data).toEqual([]);
    expect((await client.get(SUMMARY)).status).toBe(200);
    expect((await admin.send(path, { method: "DELETE" })).status).toBe(204);
    expect((await client.get(SUMMARY)).status).toBe(401);
    expect((await admin.send(path, { method: "DELETE" })).status).toBe(404);
  });

  it("are made once by a request that is sent again, which is told so", async () => {
    const admin = await adminOf("again");
    const send = () =>
      admin.post(KEYS, { name: "k", scopes: ["read:metrics"] }, { "idempotency-key": "once" });
    const answers = await Promise.all([send(), send()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    const third = await send();
    expect([third.status, third.body.code]).toEqual([409, "key_exists"]);
    expect((await admin.get(`${KEYS}?include_total=true`)).body.page.total).toBe(1);
  });

  it("are at most as many as the quota says", async () => {
    const admin = await adminOf("full");
    await testContext().db.run(sql`
      insert into api_keys (id, workspace_id, name, hash, scopes, created_by)
      select 'full' || lpad(n::text, 4, '0'), 'full', 'k', '', '{}', 'test'
      from generate_series(1, 100) n`);
    const answer = await admin.post(KEYS, { name: "k", scopes: ["read:metrics"] });
    expect([answer.status, answer.body.code]).toEqual([422, "quota_exceeded"]);
  });
});

describe("Who asks", () => {
  it("is told of a token with its roles, and of a key with its scopes", async () => {
    const token = await tokenFor("one", {
      sub: "ann",
      email: "ann@example.com",
      workspaces: { one: "viewer", two: "owner" },
    });
    const ann = (await clientOf(token).get("/api/v1/auth/me")).body.data;
    expect(ann).toMatchObject({ kind: "user", id: "ann", email: "ann@example.com", key: null });
    expect(ann.workspaces.map((each: { role: string }) => each.role)).toEqual(["viewer", "owner"]);
    expect(ann.workspaces[0].permissions).not.toContain("write:executions");
    const { client, key } = await issue("told", { scopes: ["read:metrics"] });
    const bot = (await client.get("/api/v1/auth/me")).body.data;
    expect(bot).toEqual({
      kind: "key",
      id: `key:${key.id}`,
      email: null,
      key: { id: key.id, name: "bot" },
      workspace_id: "told",
      workspaces: [{ workspace_id: "told", role: null, permissions: ["read:metrics"] }],
      expires_at: null,
    });
    const asked = await client.get("/api/v1/auth/permissions");
    expect(asked.body.data).toEqual(bot.workspaces[0]);
    const other = await client.get("/api/v1/auth/permissions?workspace_id=one");
    expect(other.status).toBe(403);
    expect(env.ENVIRONMENT).toBe("test");
  });

  it("may open the feed with a key that has its scope", async () => {
    const { client } = await issue("feeding", { scopes: ["read:realtime"] });
    const answer = await client.post("/api/v1/realtime/tickets", {});
    expect([answer.status, answer.body.data?.workspace_id]).toEqual([201, "feeding"]);
  });
});
