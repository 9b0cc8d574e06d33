import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";

const W = "ids";
let api: ReturnType<typeof clientOf>;

/** Ids that other systems give, and what a path, a query, a cursor or a table of JavaScript could take them for. */
const IDS = [
  "alice@example.com",
  "auth0|65f",
  "org/1",
  " two  spaces ",
  "Jürgen Ж 漢字 अ",
  "\u00e9",
  "e\u0301",
  "a%2Fb",
  "%2e%2e",
  "100%",
  "a?b=c&d#e+f",
  "a\\b",
  "quote\"'`",
  "a,b;c",
  "__proto__",
  "constructor",
  "~",
  "-",
  "\ufffe\uffff",
  "😀".repeat(64),
  "x".repeat(256),
];
/** Ids that cannot stand in a path, or mean a route there. */
const PLACED = [".", "..", "activity", "cohorts", "retention", "churn", "_"];
const ALL = [...IDS, ...PLACED];
const RANGE = "from=2026-10-01T00:00:00Z&to=2026-11-01T00:00:00Z";
const at = (n: number) => new Date(Date.UTC(2026, 9, 1) + n * 60_000).toISOString();

beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor(W));
  const executions = ALL.map((id, n) => ({
    id,
    agent_id: id,
    user_id: id,
    parent_execution_id: id,
    status: "success",
    started_at: at(n),
  }));
  const { body } = await api.post("/api/v1/executions", { executions });
  expect(body.data.counts).toMatchObject({ created: ALL.length, invalid: 0 });
  expect(body.data.results.map((each: { id: string }) => each.id)).toEqual(ALL);
  const events = ALL.map((id, n) => ({
    id,
    event_type: "open",
    user_id: id,
    session_id: id,
    occurred_at: at(n),
  }));
  const sent = await api.post("/api/v1/events", { events });
  expect(sent.body.data.counts).toMatchObject({ created: ALL.length, invalid: 0 });
});

const ask = async (path: string) => {
  const { status, body } = await api.get(`/api/v1${path}`);
  expect([path, status]).toEqual([path, 200]);
  return body.data;
};

describe("an id of a caller", () => {
  it.each([
    ...IDS.map((id) => [id, encodeURIComponent(id), ""]),
    ...ALL.map((id) => [id, "_", `&id=${encodeURIComponent(id)}`]),
  ])("%j is reached by the path %s%s", async (id, segment, query) => {
    expect((await ask(`/executions/${segment}?workspace_id=${W}${query}`)).id).toBe(id);
    expect((await ask(`/users/${segment}?${RANGE}${query}`)).id).toBe(id);
    expect(await ask(`/users/${segment}/timeline?limit=9${query}`)).toHaveLength(2);
    expect((await ask(`/agents/${segment}?${RANGE}${query}`)).id).toBe(id);
    const [run, ...others] = await ask(`/agents/${segment}/executions?limit=9${query}`);
    expect([run.id, run.parent_execution_id, others]).toEqual([id, id, []]);
    const path = `/api/v1/executions/${segment}?workspace_id=${W}${query}`;
    expect((await api.patch(path, { model: "m" })).body.data).toMatchObject({ id, model: "m" });
  });

  it.each(ALL)("%j filters lists and numbers", async (id) => {
    const value = encodeURIComponent(id);
    for (const name of ["agent_id", "user_id"]) {
      expect(
        (await ask(`/executions?${name}=${value}`)).map((row: { id: string }) => row.id),
      ).toEqual([id]);
      expect((await ask(`/metrics/summary?${RANGE}&${name}=${value}`)).executions).toBe(1);
    }
    for (const name of ["user_id", "session_id"])
      expect((await ask(`/events?${name}=${value}`)).map((row: { id: string }) => row.id)).toEqual([
        id,
      ]);
    const filters = [{ field: "user", op: "in", value: [id] }];
    const times = { from: "2026-10-01T00:00:00Z", to: "2026-11-01T00:00:00Z" };
    const { body } = await api.post("/api/v1/metrics/query", {
      measures: ["executions"],
      group_by: ["user", "agent"],
      filters,
      ...times,
    });
    expect(body.data.rows).toEqual([{ user: id, agent: id, executions: 1 }]);
  });

  it("is found by search, whose links lead to it", async () => {
    for (const id of ALL.filter((each) => each.trim() === each)) {
      const { results } = await ask(
        `/search?q=${encodeURIComponent(id)}&types=agents,users,executions&limit=50`,
      );
      for (const type of ["agents", "users", "executions"]) {
        const hit = results[type].find((each: { id: string }) => each.id === id);
        expect([id, type, hit?.id]).toEqual([id, type, id]);
        const { status, body } = await api.get(hit.href);
        expect([hit.href, status, body.data?.id]).toEqual([hit.href, 200, id]);
      }
    }
  });

  it("keeps its place in every page of every list", async () => {
    for (const list of ["/executions?", "/events?", `/users?${RANGE}&`, `/agents?${RANGE}&`]) {
      const seen: string[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const { body } = await api.get(
          `/api/v1${list}limit=4${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
        );
        seen.push(...body.data.map((row: { id: string }) => row.id));
        cursor = body.page.next_cursor;
      }
      expect([...seen].sort()).toEqual([...ALL].sort());
    }
    const { body } = await api.post("/api/v1/comparisons/agents", {
      agent_ids: ["__proto__", "..", "a,b;c"],
      from: "2026-10-01T00:00:00Z",
      to: "2026-11-01T00:00:00Z",
    });
    expect(body.data.entities.map((each: { id: string }) => each.id)).toEqual([
      "__proto__",
      "..",
      "a,b;c",
    ]);
  });

  it.each([
    "",
    "a\u0000b",
    "a\nb",
    "\u007f",
    "\u0085",
    "\ud800",
    "\u00e9".repeat(129),
    "x".repeat(257),
    5,
  ])("is refused as %j, with its path", async (id) => {
    const base = {
      agent_id: "a",
      user_id: "u",
      status: "success",
      started_at: at(0),
      id: "refused",
    };
    for (const path of ["id", "agent_id", "user_id", "parent_execution_id"]) {
      const { status, body } = await api.post("/api/v1/executions", { ...base, [path]: id });
      expect([status, body.data.results[0].path]).toEqual([422, path]);
    }
    const event = { id: "refused", event_type: "x", user_id: "u", occurred_at: at(0) };
    for (const path of ["id", "user_id", "session_id"]) {
      const { status, body } = await api.post("/api/v1/events", { ...event, [path]: id });
      expect([status, body.data.results[0].path]).toEqual([422, path]);
    }
  });
});

it("leaves routes, the id of no use, and what is no UTF-8 as they are", async () => {
  expect((await ask(`/users/activity?${RANGE}`)).days).toHaveLength(31);
  const status = async (path: string) => (await api.get(`/api/v1${path}`)).status;
  expect(await status("/executions/x?id=y")).toBe(400);
  expect(await status("/executions/_?id=a&id=b")).toBe(400);
  expect(await status("/executions/_?id=")).toBe(404);
  expect(await status("/executions?id=x")).toBe(400);
  expect(await status("/executions/nobody")).toBe(404);
  expect(await status("/executions/_?id=nobody")).toBe(404);
  const broken = await api.get("/api/v1/executions/%ff");
  expect([broken.status, broken.body.code]).toEqual([400, "invalid_encoding"]);
  expect(await status("/executions?agent_id=%e9")).toBe(400);
});
