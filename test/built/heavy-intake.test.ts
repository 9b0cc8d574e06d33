import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

let instance: Instance;
let authorization: string;
beforeAll(async () => {
  instance = await startInstance();
  authorization = `Bearer ${await instance.token("heavy")}`;
});
afterAll(() => instance.close());

const JSON_TYPE = { "content-type": "application/json" };
const NDJSON_TYPE = { "content-type": "application/x-ndjson" };
const GZIP = { "content-encoding": "gzip" };
const FIELDS =
  '"agent_id":"a","user_id":"u","status":"running","started_at":"2026-03-01T00:00:00Z"';
const many = (text: string, count: number) => Array(count).fill(text).join(",");

async function post(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) {
  const url = `${instance.url}/api/v1/executions`;
  const answer = await fetch(url, { method: "POST", headers: { authorization, ...headers }, body });
  const text = await answer.text();
  return { status: answer.status, body: JSON.parse(text) };
}

/** A runtime that ran out of memory ends, and answers nothing under way. */
async function isAlive(): Promise<void> {
  expect((await fetch(`${instance.url}/ready`)).status).toBe(200);
}

it.each(["1e308", "5e-324"])(
  "a batch with half a million numbers like %s is refused for what they would be written out",
  async (number) => {
    const item = `{"id":"q",${FIELDS},"metadata":{"a":[${many(number, 499_000)}]}}`;
    const { body } = await post(`{"executions":[${item},{"id":"fine",${FIELDS}}]}`, JSON_TYPE);
    expect(body.data.results).toMatchObject([
      { result: "invalid", code: "too_many_digits" },
      { id: "fine" },
    ]);
    await isAlive();
  },
);

it("lines of more values than can be kept are invalid, and cost no more than a look", async () => {
  const line = `{"id":"q",${FIELDS},"metadata":{"a":[${many("5e-324", 70_000)}]}}\n`;
  const body = new Uint8Array(gzipSync(line.repeat(12)));
  const { status, body: answer } = await post(body, { ...NDJSON_TYPE, ...GZIP });
  expect([status, answer.data.counts.invalid]).toEqual([207, 12]);
  expect(answer.data.results[0]).toMatchObject({ line: 1, code: "too_many_values" });
});

it("ten batches of ten megabytes at once are stored one after the other, or told to come again", async () => {
  const batch = (name: number) => {
    const filler = "x".repeat(9_800);
    const items = Array.from(
      { length: 1_000 },
      (_, n) => `{"id":"b${name}-${n}",${FIELDS},"metadata":{"t":"${filler}"}}`,
    );
    return `{"executions":[${items.join(",")}]}`;
  };
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, name) => post(batch(name), JSON_TYPE)),
  );
  const stored = answers.filter(({ status }) => status === 207);
  expect(stored.length).toBeGreaterThanOrEqual(2);
  for (const { body } of stored) expect(body.data.counts.created).toBe(1_000);
  for (const { status, body } of answers)
    if (status !== 207) expect([status, body.code]).toEqual([503, "busy"]);
  await isAlive();
});

it("a thousand messages that add to the metadata of one run fill it, and the rest are told", async () => {
  const message = (n: number) =>
    `{"id":"grown",${FIELDS},"metadata":{"k${n}":"${"x".repeat(9_000)}"}}`;
  const batch = Array.from({ length: 1_000 }, (_, n) => message(n)).join(",");
  const { status, body } = await post(`{"executions":[${batch}]}`, JSON_TYPE);
  expect([status, body.data.counts]).toMatchObject([207, { created: 1, updated: 2, invalid: 997 }]);
  expect(body.data.results[3]).toMatchObject({ code: "too_large", path: "metadata" });
});

it("a stream of ten thousand lines about one execution is folded chunk by chunk", async () => {
  const lines = Array.from(
    { length: 10_000 },
    (_, n) => `{"id":"long",${FIELDS},"tokens_in":${n}}\n`,
  );
  const { status, body } = await post(lines.join(""), NDJSON_TYPE);
  expect([status, body.data.counts]).toMatchObject([207, { created: 1, updated: 9_999 }]);
});

it("a key that comes twice is refused behind any number of other faults", async () => {
  const faults = Array.from({ length: 1_200 }, (_, n) => `"${n % 2}":1e400`).join(",");
  const lossy = `{"id":"lossy",${FIELDS},"metadata":{"big":1e400}}`;
  const { status, body } = await post(
    `{"executions":{${faults}},"executions":[{},{},${lossy}]}`,
    JSON_TYPE,
  );
  expect([status, body.errors?.[0]?.code]).toEqual([400, "duplicate_key"]);
  const url = `${instance.url}/api/v1/executions/lossy`;
  expect((await fetch(url, { headers: { authorization } })).status).toBe(404);
});

it("a gzip of nothing but members is refused by their number", async () => {
  const empty = gzipSync("");
  const members = new Uint8Array(Buffer.concat(Array(100_000).fill(empty)));
  const { status, body } = await post(members, { ...NDJSON_TYPE, ...GZIP });
  expect([status, body.code]).toEqual([413, "unpacked_too_large"]);
});
