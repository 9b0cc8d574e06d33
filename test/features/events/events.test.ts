import { beforeAll, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { useOwnDatabase } from "../../support/database.ts";

const W = "events";
let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor(W));
});
const base = { event_type: "page_view", user_id: "u", occurred_at: "2026-10-01T10:00:00.123456Z" };

it("stores an event once, whatever is sent again, and never changes it", async () => {
  const events = [
    { ...base, id: "e1", event_name: "home", session_id: "s", properties: { a: 1 } },
    { ...base, id: "e1", event_name: "home", session_id: "s", properties: { a: 1 } },
    { ...base, id: "e1", event_name: "other" },
    { ...base, id: "e2", colour: "red" },
    { event_type: "click", user_id: "u" },
    { event_type: "click", user_id: "u", id: "e3" },
    { ...base, id: "e4", occurred_at: "1969-12-31T23:59:59Z" },
  ];
  const { status, body } = await api.post("/api/v1/events", { events });
  expect(status).toBe(207);
  expect(
    body.data.results.map((each: { result: string; path?: string }) => [each.result, each.path]),
  ).toEqual([
    ["created", undefined],
    ["duplicate", undefined],
    ["conflict", "event_name"],
    ["invalid", "colour"],
    ["created", undefined],
    ["invalid", "occurred_at"],
    ["invalid", "occurred_at"],
  ]);
  expect(
    (
      await api.post("/api/v1/events", {
        ...base,
        id: "e1",
        event_name: "home",
        session_id: "s",
        properties: { a: 2 },
      })
    ).body.data.results[0],
  ).toMatchObject({ result: "conflict", path: "properties" });
  const { body: list } = await api.get("/api/v1/events?event_type=page_view");
  expect(list.data).toEqual([
    { ...base, id: "e1", event_name: "home", session_id: "s", properties: { a: 1 } },
  ]);
});

it("stores the first of many messages about one event, as if they came one by one", async () => {
  const event = (n: number) => ({ ...base, id: `first${n % 2}`, properties: { n } });
  const events = Array.from({ length: 200 }, (_, n) => event(n % 190));
  const { body } = await api.post("/api/v1/events", { events });
  expect(body.data.results.map(({ result }: { result: string }) => result)).toEqual(
    events.map((_, n) => {
      if (n < 2) return "created";
      return n === 190 || n === 191 ? "duplicate" : "conflict";
    }),
  );
  const { body: stored } = await api.get("/api/v1/events?event_type=page_view&limit=1000");
  expect(stored.data.filter(({ id }: { id: string }) => id.startsWith("first"))).toMatchObject([
    { properties: { n: 1 } },
    { properties: { n: 0 } },
  ]);
});

it("takes a stream, lists it by pages, and keeps workspaces apart", async () => {
  const lines = Array.from({ length: 1200 }, (_, n) =>
    JSON.stringify({
      ...base,
      id: `s${n}`,
      event_type: "stream",
      user_id: `u${n % 3}`,
      occurred_at: new Date(Date.UTC(2026, 9, 2) + n * 1000).toISOString(),
    }),
  );
  lines[10] = "broken";
  const { body } = await api.post("/api/v1/events", lines.join("\n"), {
    "content-type": "application/x-ndjson",
  });
  expect(body.data.counts).toEqual({
    created: 1199,
    updated: 0,
    duplicate: 0,
    conflict: 0,
    invalid: 1,
  });
  const seen: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const { body: page } = await api.get(
      `/api/v1/events?event_type=stream&limit=500${cursor ? `&cursor=${cursor}` : ""}`,
    );
    seen.push(...page.data.map((each: { id: string }) => each.id));
    cursor = page.page.next_cursor;
  }
  expect(seen).toEqual(
    Array.from({ length: 1200 }, (_, n) => `s${1199 - n}`).filter((id) => id !== "s10"),
  );
  expect(
    (
      await api.get(
        "/api/v1/events?event_type=stream&user_id=u1&limit=1000&from=2026-10-02T00:10:00Z",
      )
    ).body.data,
  ).toHaveLength(200);
  expect(
    (await api.get("/api/v1/events?event_type=stream&limit=5&include_total=true")).body.page,
  ).toMatchObject({
    total: 1199,
    has_more: true,
  });
  expect((await clientOf(await tokenFor("events-other")).get("/api/v1/events")).body.data).toEqual(
    [],
  );
  expect(
    (await clientOf(await tokenFor(W, { role: "viewer" })).post("/api/v1/events", base)).status,
  ).toBe(403);
});
