import { SignJWT } from "jose";
import { Temporal } from "temporal-polyfill";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Heap, heapOf } from "../../dev/heap.ts";
import { freePort } from "../../dev/ports.ts";
import { type Instance, SECRET, startInstance } from "./support/instance.ts";

const FROM = "2026-03-01T00:00:00Z";
const TO = "2026-03-02T00:00:00Z";
let instance: Instance;
let heap: Heap;
let headers: Record<string, string>;

beforeAll(async () => {
  const inspectorPort = await freePort();
  instance = await startInstance({ inspectorPort });
  heap = await heapOf(inspectorPort);
  headers = {
    authorization: `Bearer ${await instance.token("memory")}`,
    "content-type": "application/json",
  };
  const executions = Array.from({ length: 800 }, (_, index) => ({
    id: `e${index}`,
    agent_id: `${"語".repeat(80)}${index}`,
    user_id: "u",
    status: "success",
    started_at: "2026-03-01T10:00:00Z",
  }));
  const body = JSON.stringify({ executions });
  const sent = await fetch(`${instance.url}/api/v1/executions`, { method: "POST", headers, body });
  expect(sent.status).toBe(207);
});
afterAll(async () => {
  heap.close();
  await instance.close();
});

/** Asks `count` questions, eight at a time; each must be answered 200. @returns characters of the last answer */
async function all(count: number, ask: (index: number) => Promise<Response>): Promise<number> {
  let [next, chars] = [0, 0];
  const lane = async () => {
    while (next < count) {
      const index = next++;
      const answer = await ask(index);
      const text = await answer.text();
      expect([index, answer.status]).toEqual([index, 200]);
      chars = text.length;
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  return chars;
}
const query = (question: object) =>
  fetch(`${instance.url}/api/v1/metrics/query`, {
    method: "POST",
    headers,
    body: JSON.stringify({ measures: ["executions"], from: FROM, to: TO, ...question }),
  });
/** The memory that is really held: the inspector hears of the next command only while the isolate has something to do. */
async function megabytes(): Promise<number> {
  let collected = false;
  const collecting = heap.collect().then(() => {
    collected = true;
  });
  while (!collected) await (await fetch(`${instance.url}/health`)).text();
  await collecting;
  return heap.megabytes();
}

/** The rest that some work leaves in the isolate's heap, in MB. */
async function left(work: () => Promise<unknown>): Promise<number> {
  const before = await megabytes();
  await work();
  return (await megabytes()) - before;
}

/**
 * Each would be held whole by a memory that counts entries, or nothing: 34, 40, 30 and 16 MB of the
 * isolate's 128.
 */
describe("what an isolate remembers", { timeout: 180_000 }, () => {
  it("does not grow with the zones and the years that are asked for", async () => {
    const zones = Intl.supportedValuesOf("timeZone");
    expect(zones.length).toBeGreaterThan(400);
    const grown = await left(() =>
      all(zones.length, (index) => {
        const timezone = zones[index] ?? "";
        // Of whole local days, the period before is found over all changes of the clock: 140 years.
        const [from, to] = ["1970-01-02", "2039-12-30"].map((day) =>
          Temporal.PlainDate.from(day).toZonedDateTime(timezone).toInstant().toString(),
        );
        return query({ from, to, timezone, compare: "previous_period" });
      }),
    );
    expect(grown).toBeLessThan(10);
  });

  it("does not grow with the size of questions", async () => {
    const grown = await left(() =>
      all(160, (index) => {
        const value = Array.from({ length: 1_000 }, (_, n) => `${index}-${n}-`.padEnd(245, "x"));
        return query({ filters: [{ field: "model", op: "not_in", value }] });
      }),
    );
    expect(grown).toBeLessThan(10);
  });

  it("has at most 16 MiB of answers, whose characters may take two bytes", async () => {
    const grown = await left(async () => {
      const chars = await all(150, (index) =>
        query({
          group_by: ["agent"],
          limit: 1_000,
          filters: [{ field: "model", op: "not_in", value: [`m${index}`] }],
        }),
      );
      expect(chars).toBeGreaterThan(80_000);
    });
    expect(grown).toBeLessThan(20);
  });

  it("has at most 4 MiB of tokens, of however many workspaces they are", async () => {
    const key = new TextEncoder().encode(SECRET);
    const grown = await left(() =>
      all(2_500, async (index) => {
        const workspaces = Array.from({ length: 60 }, () => crypto.randomUUID());
        const token = await new SignJWT({ workspaces, workspaceId: workspaces[0], role: "viewer" })
          .setProtectedHeader({ alg: "HS256" })
          .setSubject(`user ${index}`)
          .setExpirationTime("1h")
          .sign(key);
        return fetch(`${instance.url}/api/v1/metrics/catalog`, {
          headers: { authorization: `Bearer ${token}` },
        });
      }),
    );
    expect(grown).toBeLessThan(8);
  });
});
