import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

const W = "budgets";
const CENTURIES = "from=1970-01-05T00:00:00Z&to=2161-06-01T00:00:00Z";
const DECADES = "from=1999-04-01T00:00:00Z&to=2026-05-01T00:00:00Z";
let instance: Instance;
let authorization: string;
/** A gigabyte of newlines, as a megabyte of gzip. */
let newlines: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  instance = await startInstance();
  authorization = `Bearer ${await instance.token(W)}`;
  const client = new pg.Client({ connectionString: instance.databaseUrl });
  await client.connect();
  // A thousand executions and events with all that they may carry, and a user with 20,000 events.
  await client.query(`insert into events (workspace_id, id, event_type, event_name, user_id, occurred_at, properties, created_at)
    select '${W}', 'v' || n, 'page', (array['open', 'open', 'open', 'read'])[1 + n % 4], 'heavy', timestamptz '2026-05-01 00:00Z' + n * interval '1 minute', '{}', now()
    from generate_series(1, 20000) n`);
  await client.end();
  const piece = Buffer.alloc(16 * 1024 * 1024, "\n");
  const stream = Readable.from(new Array(64).fill(piece)).pipe(createGzip());
  newlines = new Uint8Array(await buffer(stream));
  const filler = "多".repeat(5_200);
  const rows = (of: (n: number) => object) =>
    Array.from({ length: 1_000 }, (_, n) => `${JSON.stringify(of(n))}\n`).join("");
  await post(
    "/executions",
    rows((n) => ({
      id: `x${n}`,
      agent_id: "a",
      user_id: "u",
      status: "failure",
      started_at: "2026-05-01T00:00:00Z",
      error: { type: `T${n}`, message: "错".repeat(8_000) },
      metadata: { filler, n },
    })),
    { "content-type": "application/x-ndjson" },
  );
  await post(
    "/events",
    rows((n) => ({
      id: `y${n}`,
      event_type: "large",
      user_id: "u",
      occurred_at: "2026-05-01T00:00:00Z",
      properties: { filler, n },
    })),
    { "content-type": "application/x-ndjson" },
  );
});
afterAll(() => instance.close());

async function send(method: string, path: string, init: RequestInit = {}) {
  const response = await fetch(`${instance.url}/api/v1${path}`, {
    method,
    ...init,
    headers: { authorization, "cache-control": "no-cache", ...init.headers },
  });
  const text = await response.text();
  return { status: response.status, text };
}
const post = (
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
) => send("POST", path, { body, headers: { "content-type": "application/json", ...headers } });

/** A runtime that ran out of memory has ended, and answers nothing. */
async function isAlive(): Promise<void> {
  for (const path of ["/health", "/ready"])
    expect([path, (await fetch(`${instance.url}${path}`)).status]).toEqual([path, 200]);
}

const funnel = (order: string) =>
  JSON.stringify({
    definition: {
      order,
      window_seconds: 366 * 86_400,
      steps: ["open", "open", "read", "never"].map((event_name, n) => ({
        name: `${n}`,
        kind: "event",
        event_name,
      })),
    },
    from: "2026-05-01T00:00:00Z",
    to: "2026-06-01T00:00:00Z",
  });
const objects = (count: number) => `{"metadata":{"a":[${"{},".repeat(count)}{}]}}`;
const item = (count: number) =>
  `{"id":"z","agent_id":"a","status":"running","started_at":"2026-05-01T00:00:00Z",${objects(count).slice(1)}`;
const filters = (count: number) =>
  Array.from({ length: count }, (_, n) => `metadata.k${n}=1`).join("&");

const INPUTS: [
  name: string,
  ask: () => Promise<{ status: number; text: string }>,
  status: number,
][] = [
  [
    "a series of centuries by the hour of the day",
    () => send("GET", `/metrics/series?${CENTURIES}&granularity=week&group_by=hour_of_day`),
    422,
  ],
  ["trends of 27 years", () => send("GET", `/executive/trends?${DECADES}`), 422],
  ["a dashboard of 27 years", () => send("GET", `/executive/dashboard?${DECADES}`), 422],
  [
    "trends of as many days as there may be",
    () => send("GET", "/executive/trends?from=2021-01-01T00:00:00Z&to=2026-06-20T00:00:00Z"),
    200,
  ],
  [
    "a trend of as many weeks",
    () =>
      send(
        "GET",
        "/trends/executions?from=1990-01-01T00:00:00Z&to=2026-06-20T00:00:00Z&granularity=week",
      ),
    200,
  ],
  [
    "as many local hours as there may be",
    () =>
      send(
        "GET",
        "/metrics/series?from=2021-06-10T00:00:00Z&to=2026-06-10T00:00:00Z&granularity=month&group_by=hour_of_day",
      ),
    200,
  ],
  [
    "a correction of ten megabytes of objects",
    () =>
      send("PATCH", "/executions/x1", {
        body: objects(3_400_000),
        headers: { "content-type": "application/json" },
      }),
    413,
  ],
  ["an execution of ten megabytes of objects", () => post("/executions", item(3_400_000)), 413],
  [
    "an execution of as many objects as there may be",
    () => post("/executions", item(249_000)),
    422,
  ],
  ["a question of many objects", () => post("/metrics/query", objects(60_000)), 413],
  ["a page of large executions", () => send("GET", "/executions?limit=1000"), 200],
  ["a page of large events", () => send("GET", "/events?limit=1000&event_type=large"), 200],
  [
    "a page of long errors",
    () => send("GET", "/errors?from=2026-05-01T00:00:00Z&to=2026-05-02T00:00:00Z&limit=1000"),
    200,
  ],
  [
    "groups by large values, day by day",
    () =>
      send(
        "GET",
        "/metrics/series?from=2026-05-01T00:00:00Z&to=2026-05-20T00:00:00Z&group_by=metadata.filler&limit=1000",
      ),
    200,
  ],
  ["a funnel over a heavy user", () => post("/funnels/analyze", funnel("ordered")), 200],
  ["a strict funnel over a heavy user", () => post("/funnels/analyze", funnel("strict")), 200],
  ["a funnel in any order over a heavy user", () => post("/funnels/analyze", funnel("any")), 200],
  [
    "a gigabyte of newlines in a megabyte",
    () =>
      post("/executions", newlines, {
        "content-type": "application/x-ndjson",
        "content-encoding": "gzip",
      }),
    413,
  ],
  ["1,300 filters", () => send("GET", `/executions?${filters(1_300)}`), 422],
  ["3,000 filters", () => send("GET", `/executions?${filters(3_000)}`), 422],
];

it.each(INPUTS)("%s is answered, and the instance goes on", async (_, ask, status) => {
  const answer = await ask();
  expect([answer.status, answer.status === status ? "" : answer.text.slice(0, 300)]).toEqual([
    status,
    "",
  ]);
  await isAlive();
});

it("all of them at once are answered too", async () => {
  const answers = await Promise.all(INPUTS.map(([, ask]) => ask()));
  expect(answers.map(({ status }) => status)).toEqual(INPUTS.map(([, , status]) => status));
  await isAlive();
});
