import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

const [ORIGIN, OTHER] = ["https://dashboard.example.com", "https://other.example.com"];
const NEEDED = [
  "content-disposition",
  "content-range",
  "etag",
  "link",
  "location",
  "retry-after",
  "x-request-id",
];
const RANGE = { from: "2026-03-01T00:00:00Z", to: "2026-03-02T00:00:00Z" };
let instance: Instance;
let authorization: string;
let download: string;
let runId: string;

const send = (path: string, init: RequestInit = {}) =>
  fetch(path.startsWith("http") ? path : `${instance.url}${path}`, init);
const asked = (path: string, body?: object, headers: Record<string, string> = {}) =>
  send(`/api/v1${path}`, {
    method: body ? "POST" : "GET",
    headers: { authorization, "content-type": "application/json", ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
const dataOf = async (answer: Response) =>
  ((await answer.json()) as { data: Record<string, string> }).data;
const listOf = (answer: Response, name: string) =>
  (answer.headers.get(name) ?? "").toLowerCase().split(/,\s*/);

/** Waits for a job, which the instance's own queue runs. */
async function done(path: string): Promise<void> {
  for (;;) {
    const { status } = await dataOf(await asked(path));
    if (status === "done") return;
    if (status !== "queued" && status !== "running") throw new Error(`${path} is ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

beforeAll(async () => {
  instance = await startInstance({ bindings: { CORS_ORIGINS: `${ORIGIN},${OTHER}` } });
  authorization = `Bearer ${await instance.token("headers")}`;
  await asked("/executions", {
    id: "e1",
    agent_id: "a",
    status: "success",
    started_at: "2026-03-01T10:00:00Z",
  });
  const { id } = await dataOf(
    await asked("/exports", { source: "executions", format: "csv", ...RANGE }),
  );
  await done(`/exports/${id}`);
  download = (await dataOf(await asked(`/exports/${id}/links`, { file: 0 }))).url ?? "";
  const report = await dataOf(
    await asked("/reports", {
      name: "r",
      template_id: "executive-summary",
      format: "json",
      ...RANGE,
    }),
  );
  runId = (await dataOf(await asked(`/reports/${report.id}/run`, {}))).id ?? "";
  await done(`/reports/runs/${runId}`);
});
afterAll(() => instance.close());

describe("an answer to another origin", () => {
  it("may be read with its headers, whether it is a file, a part of one, unchanged or an error", async () => {
    for (const origin of [ORIGIN, OTHER]) {
      const whole = await send(download, { headers: { origin } });
      const etag = whole.headers.get("etag") ?? "";
      const answers = [
        whole,
        await send(download, { headers: { origin, range: "bytes=0-9" } }),
        await send(download, { headers: { origin, "if-none-match": etag } }),
        await send(download, { headers: { origin, range: "bytes=999999-" } }),
        await send("/api/v1/agents", { headers: { origin } }),
        await asked("/metrics/query", { measures: ["nothing"] }, { origin }),
        await send("/openapi.json", { headers: { origin } }),
      ];
      expect(answers.map(({ status }) => status)).toEqual([200, 206, 304, 416, 401, 400, 200]);
      for (const answer of answers) {
        expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
        expect(listOf(answer, "access-control-expose-headers")).toEqual(
          expect.arrayContaining(NEEDED),
        );
        expect(listOf(answer, "vary")).toContain("origin");
      }
      expect(answers[1]?.headers.get("content-range")).toMatch(/^bytes 0-9\/\d+$/);
    }
  });

  it("is not for an origin that is not configured, and varies all the same", async () => {
    for (const origin of ["https://evil.example.com", `${ORIGIN}.evil.com`, "null"])
      for (const path of [download, "/openapi.json", "/docs", "/health", "/api/v1/agents"]) {
        const answer = await send(path, { headers: { origin } });
        expect(answer.headers.get("access-control-allow-origin")).toBeNull();
        expect(listOf(answer, "vary")).toContain("origin");
      }
  });

  it("is announced for every header that a caller may have to send", async () => {
    const answer = await send("/api/v1/metrics/summary", {
      method: "OPTIONS",
      headers: { origin: OTHER, "access-control-request-method": "GET" },
    });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([
      204,
      OTHER,
    ]);
    expect(listOf(answer, "access-control-allow-headers")).toEqual(
      expect.arrayContaining(["authorization", "cache-control", "if-none-match", "range"]),
    );
  });
});

describe("an answer that carries a secret", () => {
  it("is kept in no cache: tickets, links, shares, the secret of webhooks", async () => {
    const answers = [
      await asked("/realtime/tickets", {}),
      await asked(`/reports/runs/${runId}/share`, { password: "a long password" }),
      await asked("/reports/webhook-secret"),
      await send(download),
    ];
    const share = (await dataOf((answers[1] as Response).clone())).url ?? "";
    answers.push(await send(share), await send("/api/v1/shared/unknown"));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 200, 200, 403, 404]);
    for (const answer of answers)
      expect([answer.url, listOf(answer, "cache-control")]).toEqual([
        answer.url,
        expect.arrayContaining(["no-store"]),
      ]);
  });

  it("has no sibling that a cache may keep, but what is the same for everybody", async () => {
    const document = (await (await send("/openapi.json")).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const kept = new Set<string>();
    for (const [path, methods] of Object.entries(document.paths))
      for (const method of Object.keys(methods)) {
        const to = path.replaceAll(/\{\w+\}/g, "x");
        if (to.endsWith("/realtime")) continue;
        for (const headers of [{ authorization }, {}]) {
          const answer = await send(to, { method: method.toUpperCase(), headers });
          await answer.text();
          if (!listOf(answer, "cache-control").includes("no-store")) kept.add(path);
        }
      }
    expect([...kept]).toEqual([]);
    for (const path of ["/openapi.json", "/docs"])
      expect((await send(path)).headers.get("cache-control")).toBe("public, max-age=60");
  });
});
