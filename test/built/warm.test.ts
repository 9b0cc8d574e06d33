import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());

/** Asks `count` questions, `at once` together. */
async function many(count: number, together: number, ask: (index: number) => Promise<unknown>) {
  let next = 0;
  const lane = async () => {
    while (next < count) await ask(next++);
  };
  await Promise.all(Array.from({ length: together }, lane));
}

it("answers equal questions at once after a thousand different ones, whoever leaves", async () => {
  const headers = { authorization: `Bearer ${await instance.token("warm")}` };
  const summary = (model: string, init: RequestInit = {}) =>
    fetch(`${instance.url}/api/v1/metrics/summary?timeframe=7d&model=${model}`, {
      headers,
      ...init,
    });
  await many(1000, 8, async (index) => {
    const response = await summary(`w${index}`);
    expect(response.status).toBe(200);
    await response.text();
  });
  const statuses: number[] = [];
  for (let round = 0; round < 15; round++) {
    const leaving = new AbortController();
    const gone = summary(`same${round}`, { signal: leaving.signal }).catch(() => undefined);
    const asked = Array.from({ length: 8 }, async () => {
      const response = await summary(`same${round}`);
      await response.text();
      statuses.push(response.status);
    });
    if (round % 2 === 1) leaving.abort();
    await Promise.all([gone, ...asked]);
  }
  expect(statuses).toHaveLength(120);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
});
