import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { createCache } from "../../src/cache/read-through.ts";
import { createLog } from "../../src/lib/log.ts";

const quiet = { ...createLog(), error: () => undefined };
const body = (text: string) => Promise.resolve({ body: text });
function cacheOf(kv: KVNamespace = env.CACHE) {
  const behind: Promise<unknown>[] = [];
  return {
    cache: createCache(kv, (work) => void behind.push(work), quiet),
    settled: () => Promise.all(behind),
  };
}
const broken = new Proxy({} as KVNamespace, {
  get: () => () => Promise.reject(new Error("KV is down")),
});

describe("a read", () => {
  it("of many at once loads once", async () => {
    const { cache } = cacheOf();
    let loads = 0;
    const gate = Promise.withResolvers<void>();
    const slow = async () => {
      loads++;
      await gate.promise;
      return { body: "x" };
    };
    const reads = Array.from({ length: 20 }, () => cache.read("answer", "flight", "q", slow));
    await vi.waitUntil(() => loads > 0);
    gate.resolve();
    const answers = await Promise.all(reads);
    expect(loads).toBe(1);
    expect(new Set(answers.map((answer) => answer.value.body))).toEqual(new Set(["x"]));
  });

  it("that fails is not remembered", async () => {
    const { cache } = cacheOf();
    await expect(
      cache.read("answer", "fail", "q", () => Promise.reject(new Error("no"))),
    ).rejects.toThrow("no");
    expect((await cache.read("answer", "fail", "q", () => body("yes"))).value.body).toBe("yes");
  });

  it("gives a stale answer at once and a new one after it", async () => {
    const { cache, settled } = cacheOf();
    const now = Date.now();
    await cache.read("answer", "stale", "q", () => body("old"));
    vi.spyOn(Date, "now").mockReturnValue(now + 8_000);
    const stale = await cache.read("answer", "stale", "q", () => body("new"));
    expect([stale.value.body, stale.cached, stale.ageMs >= 7_000]).toEqual(["old", true, true]);
    await vi.waitUntil(
      async () =>
        (await cache.read("answer", "stale", "q", () => body("newer"))).value.body === "new",
    );
    vi.spyOn(Date, "now").mockReturnValue(now + 60_000);
    expect((await cache.read("answer", "stale", "q", () => body("newest"))).value.body).toBe(
      "newest",
    );
    vi.restoreAllMocks();
    await settled();
  });

  it("goes on without KV, only slower", async () => {
    const { cache, settled } = cacheOf(broken);
    expect((await cache.read("answer", "down", "q", () => body("a"))).value.body).toBe("a");
    cache.advance("down");
    expect((await cache.read("answer", "down", "q", () => body("b"))).value.body).toBe("b");
    await settled();
  });

  it("does not trust what KV holds under its key", async () => {
    const { cache } = cacheOf({
      ...broken,
      get: async (key: string) =>
        key.startsWith("epoch:") ? "7" : { at: Date.now(), value: { body: 12 } },
      put: async () => undefined,
    } as unknown as KVNamespace);
    expect((await cache.read("answer", "strange", "q", () => body("right"))).value.body).toBe(
      "right",
    );
  });
});

describe("what is written to KV", () => {
  const counting = () => {
    const puts: string[] = [];
    const kv = {
      get: async () => null,
      put: async (key: string) => void puts.push(key),
    } as unknown as KVNamespace;
    return { kv, puts };
  };

  it("is an answer that was asked for twice, once, and at most sixty a minute", async () => {
    const { kv, puts } = counting();
    const { cache, settled } = cacheOf(kv);
    for (let index = 0; index < 100; index++)
      await cache.read("answer", "writes", `once${index}`, () => body("a"));
    await settled();
    expect(puts).toEqual([]);
    for (let round = 0; round < 3; round++)
      for (let index = 0; index < 100; index++)
        await cache.read("answer", "writes", `once${index}`, () => body("never"));
    await settled();
    expect(puts.length).toBeGreaterThan(0);
    expect(puts.length).toBeLessThanOrEqual(120);
    expect(new Set(puts).size).toBe(puts.length);
  });

  it("is one epoch of a workspace in ten seconds, and answers from before are not given again here", async () => {
    const { kv, puts } = counting();
    const { cache, settled } = cacheOf(kv);
    for (let index = 0; index < 50; index++) {
      cache.advance("busy");
      const answer = await cache.read("answer", "busy", "q", () => body(`after ${index}`));
      expect([answer.cached, answer.value.body]).toEqual([false, `after ${index}`]);
    }
    await settled();
    expect(puts).toEqual(["epoch:busy"]);
  });

  it("does not bring an older epoch back when this isolate looks again", async () => {
    const { cache, settled } = cacheOf();
    const now = Date.now();
    cache.advance("later");
    await settled();
    await cache.read("answer", "later", "q", () => body("old"));
    cache.advance("later");
    vi.spyOn(Date, "now").mockReturnValue(now + 12_000);
    expect((await cache.read("answer", "later", "q", () => body("new"))).value.body).toBe("new");
    vi.restoreAllMocks();
    await settled();
  });
});
