import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { SignJWT } from "jose";
import { beforeAll, expect, it, vi } from "vitest";
import { derivedKey } from "../../src/auth/derived-keys.ts";
import type { Config } from "../../src/config.ts";
import { readTicket, signTicket } from "../../src/realtime/tickets.ts";
import { signLink } from "../../src/storage/links.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { connect, upgrade } from "../support/feed.ts";

let config: Config;
beforeAll(async () => {
  await useOwnDatabase();
  // Not before: a configuration is read once, with the address of the database.
  config = testContext().config;
});

const code = async (response: Response) => [
  response.status,
  ((await response.json()) as { code: string }).code,
];
const refused = [401, "invalid_ticket"];
async function ticketOf(workspace: string, claims: Record<string, unknown> = {}): Promise<string> {
  const { status, body } = await clientOf(await tokenFor(workspace, claims)).post(
    "/api/v1/realtime/tickets",
    "",
  );
  expect(status).toBe(201);
  return body.data.ticket as string;
}

it("a visitor without a token or a valid ticket leaves no object behind", async () => {
  const forged = await new SignJWT({ ws: "any", until: Date.now() + 60_000 })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("tester")
    .setAudience("shadower-realtime")
    .setJti("1")
    .setExpirationTime("1m")
    .sign(new TextEncoder().encode(env.JWT_SECRET_KEY));
  const unsigned = `${btoa('{"alg":"none"}')}.${forged.split(".")[1]}.`;
  const foreign = await derivedKey({ ...config, JWT_SECRET_KEY: "x".repeat(32) }, "realtime");
  const others = await new SignJWT({}).setProtectedHeader({ alg: "HS256" }).sign(foreign);
  const link = await signLink(
    config,
    { workspaceId: "any", id: "x", file: 0 },
    Date.now() + 60_000,
  );
  const own = await tokenFor("any");
  for (const ticket of ["any~x", "", "~", "..", forged, unsigned, others, link, own])
    expect(await code(await upgrade(`?ticket=${encodeURIComponent(ticket)}`))).toEqual(refused);
  expect((await upgrade("")).status).toBe(401);
  expect((await upgrade("?workspace_id=any")).status).toBe(401);
  expect((await upgrade("", { authorization: "Bearer x" })).status).toBe(401);
  await ticketOf("feed-unused");
  expect(await listDurableObjectIds(env.FEED)).toEqual([]);
});

it("a ticket lets its user in once, and to its own workspace only", async () => {
  const ticket = await ticketOf("feed-f", { email: "a@example.com" });
  expect(await code(await upgrade(`?ticket=${ticket}&workspace_id=feed-a`))).toEqual(refused);
  const changed = ticket.split(".");
  changed[1] = btoa(atob(changed[1] ?? "").replace("feed-f", "feed-a")).replaceAll("=", "");
  expect(await code(await upgrade(`?ticket=${changed.join(".")}`))).toEqual(refused);
  const { socket, response, frames } = await connect("feed-f", `?ticket=${ticket}`, {});
  expect(response.headers.get("sec-websocket-protocol")).toBeNull();
  expect(frames[0]).toMatchObject({ type: "hello", workspace_id: "feed-f" });
  expect(await code(await upgrade(`?ticket=${ticket}`))).toEqual(refused);
  socket.close(1000);
  expect(await code(await upgrade(`?ticket=${ticket}`))).toEqual(refused);
});

it("of two who come with one ticket at once, one comes in", async () => {
  const ticket = await ticketOf("feed-g");
  const answers = await Promise.all([1, 2, 3, 4].map(() => upgrade(`?ticket=${ticket}`)));
  expect(answers.map(({ status }) => status).sort()).toEqual([101, 401, 401, 401]);
  for (const { webSocket } of answers) {
    webSocket?.accept();
    webSocket?.close();
  }
});

it("a ticket expires after a minute, and its connection ends with the token", async () => {
  const ticket = await ticketOf("feed-h");
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ["Date"] });
  const late = await upgrade(`?ticket=${ticket}`);
  vi.useRealTimers();
  expect(await code(late)).toEqual(refused);
  const now = Date.now();
  const ends = now + 3_600_000;
  const signed = await signTicket(config, now, {
    workspaceId: "w",
    userId: "Zoë/org|1 ✓",
    credential: { jti: "t1", issuedAtMs: 5_000 },
    tokenEndsMs: ends,
  });
  expect(await readTicket(config, now, signed.ticket, undefined)).toMatchObject({
    workspaceId: "w",
    userId: "Zoë/org|1 ✓",
    credential: { jti: "t1", issuedAtMs: 5_000 },
    tokenEndsMs: ends,
    endsMs: signed.endsMs,
  });
});

it("a ticket needs a workspace of the token, and a secret to be signed with", async () => {
  const foreign = await clientOf(await tokenFor("feed-f")).post(
    "/api/v1/realtime/tickets?workspace_id=feed-a",
    "",
  );
  expect(foreign.status).toBe(403);
  const keyless = { ...config, JWT_SECRET_KEY: undefined, LINK_SECRET_KEY: undefined };
  const of = { workspaceId: "w", userId: "u", tokenEndsMs: 0, credential: { issuedAtMs: 0 } };
  await expect(signTicket(keyless, Date.now(), of)).rejects.toMatchObject({
    code: "links_not_configured",
    message: expect.stringContaining("LINK_SECRET_KEY"),
  });
});
