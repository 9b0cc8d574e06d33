import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Gate, startGate } from "./support/gate.ts";
import { type Instance, startInstance } from "./support/instance.ts";

const WARMING = 1_000;
const WIDGETS = [
  "/metrics/summary?timeframe=7d",
  "/metrics/summary?timeframe=30d",
  "/metrics/summary?timeframe=90d",
  "/metrics/series?timeframe=7d",
  "/metrics/series?timeframe=30d",
  "/metrics/series?timeframe=90d&granularity=week",
  "/metrics/summary?timeframe=24h",
  "/metrics/series?timeframe=24h&granularity=hour",
  "/errors?timeframe=7d",
  "/errors?timeframe=30d",
];

let gate: Gate;
let instance: Instance;
let headers: Record<string, string>;

const ask = async (path: string, signal?: AbortSignal) => {
  const answer = await fetch(`${instance.url}/api/v1${path}`, {
    headers,
    ...(signal ? { signal } : {}),
  });
  return { status: answer.status, text: await answer.text() };
};
/** The number of answers of each status. */
const statuses = (answers: { status: number }[]) => {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

beforeAll(async () => {
  gate = await startGate();
  instance = await startInstance({ bindings: { NEON_ENDPOINT: gate.url } });
  headers = { authorization: `Bearer ${await instance.token("warm")}` };
  const warm = async (from: number) => {
    for (let i = from; i < WARMING; i += 8)
      expect((await ask(`/metrics/summary?timeframe=7d&model=warm${i}`)).status).toBe(200);
  };
  await Promise.all(Array.from({ length: 8 }, (_, each) => warm(each)));
}, 180_000);
afterAll(async () => {
  await instance.close();
  await gate.close();
});

describe("a warm isolate", () => {
  it.each([3, 4, 8])("answers %i equal questions at once from one load", async (many) => {
    const answers = [];
    const before = gate.trips;
    for (let round = 0; round < 30; round++) {
      const path = `/metrics/summary?timeframe=7d&model=equal${many}-${round}`;
      answers.push(...(await Promise.all(Array.from({ length: many }, () => ask(path)))));
    }
    expect(statuses(answers)).toEqual({ 200: many * 30 });
    const alone = gate.trips - before;
    expect(alone).toBeLessThanOrEqual(30 * 2);
  });

  it("answers a page of ten widgets that three people watch", async () => {
    const answers = [];
    for (let round = 0; round < 10; round++) {
      const paths = WIDGETS.map((widget) => `${widget}&agent_id=page${round}`);
      const people = Array.from({ length: 3 }, () => Promise.all(paths.map((path) => ask(path))));
      answers.push(...(await Promise.all(people)).flat());
    }
    expect(statuses(answers)).toEqual({ 200: 300 });
  });

  it("answers those who wait for a load whose caller has left", async () => {
    gate.delayMs = 50;
    const answers = [];
    for (let round = 0; round < 20; round++) {
      const path = `/metrics/summary?timeframe=7d&model=left${round}`;
      const leaving = new AbortController();
      const first = ask(path, leaving.signal).catch(() => undefined);
      const others = Array.from({ length: 4 }, () => ask(path));
      setTimeout(() => leaving.abort(), 5 + round * 3);
      answers.push(...(await Promise.all(others)));
      await first;
    }
    gate.delayMs = 0;
    expect(statuses(answers)).toEqual({ 200: 80 });
  });
});
