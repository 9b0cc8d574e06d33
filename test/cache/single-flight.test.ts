import { expect, it, vi } from "vitest";
import { isLoading, loadOnce } from "../../src/cache/single-flight.ts";

it("Many at once share one load, its value and its failure", async () => {
  let loads = 0;
  const gate = Promise.withResolvers<void>();
  const load = async () => {
    loads++;
    await gate.promise;
    return { loads };
  };
  const asked = Array.from({ length: 20 }, () => loadOnce("shared", load));
  gate.resolve();
  expect(new Set((await Promise.all(asked)).map((value) => value.loads))).toEqual(new Set([1]));
  expect(isLoading("shared")).toBe(false);

  const failing = Array.from({ length: 5 }, () =>
    loadOnce("failing", async () => {
      loads++;
      await Promise.resolve();
      throw new Error("no");
    }),
  );
  const outcomes = await Promise.allSettled(failing);
  expect(outcomes.map((outcome) => outcome.status)).toEqual(Array(5).fill("rejected"));
  expect(loads).toBe(2);
  expect(await loadOnce("failing", async () => "yes")).toBe("yes");
});

it("A load that was killed is taken over by one of those who waited, and the others wait for that one", async () => {
  const dead = Promise.withResolvers<string>();
  const killed = loadOnce("killed", () => dead.promise);
  let loads = 0;
  const gate = Promise.withResolvers<void>();
  const load = async () => {
    const mine = ++loads;
    await gate.promise;
    return `load ${mine}`;
  };
  const waiting = Array.from({ length: 8 }, () => loadOnce("killed", load));
  vi.spyOn(Date, "now").mockReturnValue(Date.now() + 13_000);
  await vi.waitUntil(() => loads > 0);
  vi.restoreAllMocks();
  gate.resolve();
  const values = await Promise.all(waiting);
  expect(new Set(values)).toEqual(new Set(["load 1"]));
  dead.resolve("late");
  expect(await killed).toBe("late");
});
