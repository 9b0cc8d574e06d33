import { env, exports } from "cloudflare:workers";
import { beforeAll, expect, it } from "vitest";
import { tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";

beforeAll(useOwnDatabase);
const ORIGIN = "https://dashboard.example.com";
env.CORS_ORIGINS = `https://other.example.com, ${ORIGIN}`;
const send = (path: string, init: RequestInit = {}, origin = ORIGIN) =>
  exports.default.fetch(
    new Request(`https://shadower.test${path}`, { ...init, headers: { origin, ...init.headers } }),
  );
const listOf = (header: string | null) => (header ?? "").split(/,\s*/);

it("A preflight allows every header that a caller may need to send", async () => {
  const answer = await send("/api/v1/metrics/summary", {
    method: "OPTIONS",
    headers: { "access-control-request-method": "GET" },
  });
  expect(answer.status).toBe(204);
  const allowed = listOf(answer.headers.get("access-control-allow-headers"));
  for (const name of ["authorization", "cache-control", "if-none-match", "if-range", "range"])
    expect(allowed).toContain(name);
});

it("An answer exposes what its reader needs, whether it is one, an error, or unchanged", async () => {
  const etag = (await send("/openapi.json")).headers.get("etag") ?? "";
  const answers = [
    await send("/api/v1/metrics/summary?timeframe=7d", {
      headers: { authorization: `Bearer ${await tokenFor("cors")}` },
    }),
    await send("/api/v1/metrics/summary"),
    await send("/nowhere"),
    await send("/openapi.json", { headers: { "if-none-match": etag } }),
  ];
  expect(answers.map((answer) => answer.status)).toEqual([200, 401, 404, 304]);
  for (const { headers } of answers) {
    expect(headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(listOf(headers.get("access-control-expose-headers"))).toEqual(
      expect.arrayContaining([
        "link",
        "content-disposition",
        "content-range",
        "etag",
        "location",
        "retry-after",
      ]),
    );
  }
});

it("Every answer varies by its origin, also one to an origin that is not allowed or to none", async () => {
  for (const origin of [ORIGIN, "https://evil.example.com", ""])
    for (const path of ["/openapi.json", "/health", "/api/v1/agents"]) {
      const { headers } = await send(path, {}, origin);
      expect(listOf(headers.get("vary")?.toLowerCase() ?? "")).toContain("origin");
      expect(headers.get("access-control-allow-origin")).toBe(origin === ORIGIN ? ORIGIN : null);
    }
});
