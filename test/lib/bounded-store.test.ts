import { expect, it, vi } from "vitest";
import { BoundedStore } from "../../src/lib/bounded-store.ts";

const until = (ms: number) => Date.now() + ms;

it("A bounded store never holds more than its bytes, and gives up its oldest entries first", () => {
  const store = new BoundedStore<number>(100_000);
  for (let index = 0; index < 10_000; index++) {
    store.set(`key-${index}`, index, { bytes: (index * 37) % 5_000, untilMs: until(60_000) });
    expect(store.bytes).toBeLessThanOrEqual(100_000);
  }
  expect(store.get("key-9999", Date.now())).toBe(9_999);
  expect(store.get("key-0", Date.now())).toBeUndefined();
});

it("A bounded store does not let one large value push out the others", () => {
  const store = new BoundedStore<string>(100_000);
  store.set("small", "s", { bytes: 10, untilMs: until(60_000) });
  store.set("large", "l", { bytes: 50_000, untilMs: until(60_000) });
  expect([store.get("small", Date.now()), store.get("large", Date.now())]).toEqual([
    "s",
    undefined,
  ]);
});

it("A bounded store counts a replaced value once, and loses what has ended", () => {
  const store = new BoundedStore<number>(100_000);
  const start = Date.now();
  for (let round = 0; round < 100; round++)
    store.set("same", round, { bytes: 1_000, untilMs: start + 1_000 });
  expect(store.bytes).toBeLessThan(2_000);
  expect(store.get("same", start + 1_000)).toBeUndefined();
  vi.spyOn(Date, "now").mockReturnValue(start + 120_000);
  store.set("other", 1, { bytes: 10, untilMs: start + 300_000 });
  expect(store.bytes).toBeLessThan(1_000);
  vi.restoreAllMocks();
});
