import { env, exports } from "cloudflare:workers";
import { SignJWT } from "jose";
import { beforeAll, expect, it } from "vitest";
import { useOwnDatabase } from "./support/database.ts";

beforeAll(useOwnDatabase);
it("works", async () => {
  const token = await new SignJWT({ workspaceId: "w1", workspaces: ["w1"], role: "admin" }).setProtectedHeader({ alg: "HS256" }).setSubject("u").setExpirationTime("1h").sign(new TextEncoder().encode(env.JWT_SECRET_KEY));
  const call = async (path: string, init: RequestInit = {}) => {
    const r = await exports.default.fetch(new Request(`https://x${path}`, { ...init, headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...init.headers } }));
    const t = await r.text();
    console.log(r.status, path, t.slice(0, 1500));
    return r.status;
  };
  const e = { id: "e1", agent_id: "a", user_id: "u", status: "success", started_at: "2026-11-01T10:00:00Z", ended_at: "2026-11-01T10:00:01.5Z", credits: 0.5, tokens_in: 3, model: "m" };
  expect(await call("/api/v1/executions", { method: "POST", body: JSON.stringify(e) })).toBe(207);
  await call("/api/v1/executions", { method: "POST", body: JSON.stringify({ executions: [e, { ...e, id: "e2", started_at: "nope" }, { ...e, credits: 1 }, { id: "zz", agent_id: "a", user_id: "u", status: "success" }] }) });
  await call("/api/v1/executions/e1");
  await call("/api/v1/executions?limit=1&metadata.a=b");
  await call("/api/v1/metrics/summary?from=2026-11-01T00:00:00Z&to=2026-11-02T00:00:00Z&explain=true&compare=previous_period");
  await call("/api/v1/metrics/summary?timeframe=30d");
  await call("/api/v1/metrics/series?from=2026-11-01T00:00:00Z&to=2026-11-03T00:00:00Z&timezone=Asia/Kolkata&measures=executions,duration_p95&group_by=agent,hour_of_day");
  await call("/api/v1/metrics/realtime");
  await call("/api/v1/executions/e1", { method: "PATCH", body: JSON.stringify({ credits: "2" }) });
  await call("/api/v1/executions/e1", { method: "PATCH", body: JSON.stringify({ started_at: "2026-10-02T00:00:00Z" }) });
  await call("/ready");
  await call("/openapi.json");
});
