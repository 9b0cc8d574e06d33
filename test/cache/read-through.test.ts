import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { createCache } from "../../src/cache/read-through.ts";
import { sleep } from "../../src/lib/backoff.ts";
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
    cache.invalidate("down");
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

describe("an answer", () => {
  it("is as old as its question, however long it took to make", async () => {
    const { cache, settled } = cacheOf();
    const clock = vi.spyOn(Date, "now");
    const start = 2_000_000_000_000;
    clock.mockReturnValue(start);
    await cache.read("answer", "old", "q", async () => {
      clock.mockReturnValue(start + 4_000);
      return { body: "x" };
    });
    const again = await cache.read("answer", "old", "q", () => body("y"));
    expect([again.value.body, again.ageMs]).toEqual(["x", 4_000]);
    clock.mockRestore();
    await settled();
  });

  it("that many ask for at once is looked for in KV once", async () => {
    const gets: string[] = [];
    const kv = {
      get: async (key: string) => {
        gets.push(key);
        await sleep(10);
        return null;
      },
      put: async () => undefined,
    } as unknown as KVNamespace;
    const { cache, settled } = cacheOf(kv);
    await cache.read("answer", "once", "first", () => body("x"));
    gets.length = 0;
    await Promise.all(
      Array.from({ length: 10 }, () => cache.read("answer", "once", "q", () => body("x"))),
    );
    expect(gets).toHaveLength(1);
    await settled();
  });

  it("that cost much is written to KV at once", async () => {
    const puts: string[] = [];
    const put = async (key: string) => void puts.push(key);
    const { cache, settled } = cacheOf({ get: async () => null, put } as unknown as KVNamespace);
    await cache.read("answer", "costly", "cheap", () => body("x"));
    expect(puts).toEqual([]);
    await cache.read("answer", "costly", "q", async () => {
      await sleep(300);
      return { body: "x" };
    });
    await settled();
    expect(puts).toHaveLength(1);
  });

  it("has a question of any size, and two that differ in their last letter are two", async () => {
    const { cache, settled } = cacheOf();
    const long = "q".repeat(250_000);
    await cache.read("answer", "long", `${long}a`, () => body("a"));
    const [a, b] = await Promise.all(
      ["a", "b"].map((end) => cache.read("answer", "long", long + end, () => body("new"))),
    );
    expect([a?.value.body, b?.value.body]).toEqual(["a", "new"]);
    await settled();
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
      cache.invalidate("busy");
      const answer = await cache.read("answer", "busy", "q", () => body(`after ${index}`));
      expect([answer.cached, answer.value.body]).toEqual([false, `after ${index}`]);
    }
    await settled();
    expect(puts).toEqual(["epoch:busy"]);
  });

  it("does not bring an older epoch back when this isolate looks again", async () => {
    const { cache, settled } = cacheOf();
    const now = Date.now();
    cache.invalidate("later");
    await settled();
    await cache.read("answer", "later", "q", () => body("old"));
    cache.invalidate("later");
    vi.spyOn(Date, "now").mockReturnValue(now + 12_000);
    expect((await cache.read("answer", "later", "q", () => body("new"))).value.body).toBe("new");
    vi.restoreAllMocks();
    await settled();
  });
});
