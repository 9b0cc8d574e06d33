import { describe, expect, it } from "vitest";
import {
  isLoading,
  joinFlight,
  loadOnce,
  newFlight,
  type SharedFlight,
} from "../../src/cache/single-flight.ts";
import { sleep } from "../../src/lib/backoff.ts";
import { AppError } from "../../src/lib/errors.ts";

/** As a request leaves it that was killed in the middle. */
const abandoned = (silentMs: number): SharedFlight<string> => ({ beatMs: Date.now() - silentMs });

describe("shared work", () => {
  it("is done once for many, however large what it gives", async () => {
    const shared = newFlight<string>();
    let done = 0;
    const work = async () => {
      done++;
      await sleep(30);
      return "x".repeat(1_000_000);
    };
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => joinFlight(shared, work)));
    expect(done).toBe(1);
    expect(outcomes.every((each) => each.length === 1_000_000)).toBe(true);
  });

  it("whose doer was killed is taken over, by one of those who wait", async () => {
    let done = 0;
    const work = async () => {
      done++;
      await sleep(20);
      return "mine";
    };
    const shared = abandoned(1_400);
    expect(await Promise.all(Array.from({ length: 20 }, () => joinFlight(shared, work)))).toEqual(
      Array(20).fill("mine"),
    );
    expect(done).toBe(1);
  });

  it("that takes long is not taken over while its doer lives", async () => {
    const shared = newFlight<string>();
    let done = 0;
    const work = async () => {
      done++;
      await sleep(2_000);
      return "slow";
    };
    expect(await Promise.all([joinFlight(shared, work), joinFlight(shared, work)])).toEqual([
      "slow",
      "slow",
    ]);
    expect(done).toBe(1);
  });

  it("fails for all by what callers may be told, and is tried by each after any other failure", async () => {
    const outcomes = async (failure: Error) => {
      const shared = newFlight<string>();
      let done = 0;
      const work = async () => {
        done++;
        await sleep(20);
        if (done === 1) throw failure;
        return "well";
      };
      const settled = await Promise.allSettled(
        Array.from({ length: 3 }, () => joinFlight(shared, work)),
      );
      return [done, ...settled.map(({ status }) => status)];
    };
    const known = new AppError("unavailable", "away", "Away.");
    expect(await outcomes(known)).toEqual([1, "rejected", "rejected", "rejected"]);
    expect(await outcomes(new TypeError("of the doer's request"))).toEqual([
      3,
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
  });
});

describe("a load", () => {
  it("is one for all who ask for its key meanwhile, and a new one afterwards", async () => {
    let loads = 0;
    const load = async () => {
      loads++;
      await sleep(20);
      return loads;
    };
    const asked = Array.from({ length: 20 }, () => loadOnce("shared", load));
    expect(isLoading("shared")).toBe(true);
    expect(await loadOnce("other", async () => "at once")).toBe("at once");
    expect(await Promise.all(asked)).toEqual(Array(20).fill(1));
    expect(isLoading("shared")).toBe(false);
    expect(await loadOnce("shared", load)).toBe(2);
  });
});
