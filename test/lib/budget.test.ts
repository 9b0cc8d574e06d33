import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";

let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor("budgets"));
});

const range = (from: string, to: string) => `from=${from}T00:00:00Z&to=${to}T00:00:00Z`;
const CENTURIES = range("1970-01-05", "2161-06-01");
const DECADES = range("1999-04-01", "2026-05-01");

describe("work that is too much is refused before it is done, with its amount and the limit", () => {
  it.each([
    [`/metrics/series?${CENTURIES}&granularity=week&group_by=hour_of_day`, 1_677_816, 43_920],
    [`/metrics/series?${CENTURIES}&granularity=hour`, 1_677_816, 10_000],
    [`/metrics/breakdown?${CENTURIES}&group_by=hour_of_day`, 1_677_816, 43_920],
    [`/metrics/breakdown?${CENTURIES}&group_by=day_of_week`, 69_909, 43_920],
    [`/metrics/series?${DECADES}&granularity=minute`, 14_244_480, 10_000],
    [`/users/activity?${CENTURIES}`, 69_939, 10_000],
    [`/errors/timeline?${CENTURIES}&granularity=day`, 69_909, 10_000],
    [`/executive/trends?${DECADES}`, 9_892, 2_000],
    [`/executive/dashboard?${DECADES}`, 9_892, 2_000],
    [`/trends/executions?${DECADES}&granularity=day`, 9_892, 2_000],
  ])("GET %s", async (path, amount, limit) => {
    const { status, body } = await api.get(`/api/v1${path}`);
    expect([status, body.errors?.[0]]).toMatchObject([422, { amount, limit }]);
    expect(body.detail).toContain(`${amount}`);
  });
});

describe("what a caller can make long", () => {
  it.each([
    [`/executions?${Array.from({ length: 1_300 }, (_, n) => `metadata.k${n}=1`).join("&")}`, 422],
    [`/executions?${Array.from({ length: 99 }, (_, n) => `metadata.k${n}=1`).join("&")}`, 422],
    [`/executions?${Array.from({ length: 20 }, (_, n) => `metadata.k${n}=1`).join("&")}`, 200],
    [`/executions?model=${"x".repeat(20_000)}`, 422],
    [`/metrics/summary?${"&".repeat(200)}`, 422],
  ])("%.60s… is answered %d", async (path, status) => {
    const answer = await api.get(`/api/v1${path}`);
    expect([answer.status, answer.body.errors?.[0]?.limit !== undefined]).toEqual([
      status,
      status === 422,
    ]);
  });

  it("a body of more values than its route needs is refused before it is parsed", async () => {
    const many = `{"metadata":{"a":[${"{},".repeat(60_000)}{}]}}`;
    const patched = await api.send("/api/v1/executions/none", {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: many,
    });
    expect([patched.status, patched.body.code]).toEqual([413, "body_too_large"]);
    const asked = await api.post(
      "/api/v1/metrics/query",
      `{"measures":[${"{},".repeat(60_000)}{}]}`,
    );
    expect([asked.status, asked.body.code]).toEqual([413, "too_many_values"]);
  });

  it("a gzip body that unpacks to far more than it is ends early, and says what was stored", async () => {
    const line = (n: number) =>
      `${JSON.stringify({ id: `g${n}`, agent_id: "a", user_id: "u", status: "running", started_at: "2026-05-01T00:00:00Z" })}\n`;
    const good = Array.from({ length: 1_200 }, (_, n) => line(n)).join("");
    const blank = "\n".repeat(40 * 1024 * 1024);
    const body = new Uint8Array(
      await new Response(
        new Blob([good, blank, line(9_999)]).stream().pipeThrough(new CompressionStream("gzip")),
      ).arrayBuffer(),
    );
    const answer = await api.post("/api/v1/executions", body, {
      "content-type": "application/x-ndjson",
      "content-encoding": "gzip",
    });
    expect([answer.status, answer.body.code]).toEqual([413, "unpacked_too_large"]);
    expect(answer.body.detail).toContain("1200 created");
    const { total } = (await api.get("/api/v1/executions?include_total=true&limit=1")).body.page;
    expect(total).toBe(1_200);
  });
});

it("groups by long values stay apart, and their names short", async () => {
  const long = "x".repeat(9_000);
  for (const [id, value] of [
    ["l1", `${long}1`],
    ["l2", `${long}2`],
    ["l3", "short"],
  ])
    await api.post("/api/v1/executions", {
      id,
      agent_id: "long",
      status: "success",
      started_at: "2026-05-02T00:00:00Z",
      metadata: { value },
    });
  const { body } = await api.get(
    `/api/v1/metrics/breakdown?${range("2026-05-02", "2026-05-03")}&agent_id=long&group_by=metadata.value`,
  );
  const names = body.data.rows.map((row: Record<string, string>) => row["metadata.value"]);
  expect(new Set(names).size).toBe(3);
  expect(names).toContain("short");
  for (const name of names) expect(name.length).toBeLessThan(90);
});
