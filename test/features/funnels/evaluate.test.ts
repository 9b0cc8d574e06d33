import { describe, expect, it } from "vitest";
import { journeyOf, ORDERS, type Rules } from "../../../src/analytics/funnels/evaluate.ts";
import type { Moments } from "../../../src/analytics/moments.ts";
import { random } from "../../support/days.ts";

/** Brute force, straight from the definition: every chain of distinct moments from every start, the best of them. */
function oracle(
  { times, masks }: Moments,
  rules: Rules,
): { level: number; times: number[] } | undefined {
  const { steps, windowUs, sameInstant, order, from, to } = rules;
  const isStep = (i: number, step: number) => ((masks[i] ?? 0) >> step) % 2 === 1;
  const anyStep = (i: number) =>
    Array.from({ length: steps }, (_, step) => step).some((step) => isStep(i, step));
  const excludedAt = times.filter((_, i) => (masks[i] ?? 0) >= 2 ** steps);
  const killed = (start: number, at: number) =>
    excludedAt.some((e) => e > start && (sameInstant === "counts" ? e <= at : e < at));
  let best: { level: number; times: number[] } | undefined;
  const better = (a: number[], b: number[]) => {
    if (a.length !== b.length) return a.length > b.length;
    const at = a.findIndex((time, i) => time !== b[i]);
    return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
  };
  const offer = (chain: number[]) => {
    if (!best || better(chain, best.times)) best = { level: chain.length, times: chain };
  };
  const starts = times
    .map((_, i) => i)
    .filter((i) => (times[i] ?? 0) >= from && (times[i] ?? 0) < to);
  if (order === "any") {
    for (const start of starts.filter(anyStep)) {
      const begun = times[start] ?? 0;
      const firsts = Array.from({ length: steps }, (_, step) =>
        times.find(
          (at, i) =>
            at >= begun &&
            isStep(i, step) &&
            (at > begun || i >= start) &&
            at - begun < windowUs &&
            !killed(begun, at),
        ),
      );
      offer(firsts.filter((at) => at !== undefined).sort((a, b) => a - b));
    }
    return best;
  }
  const extend = (chain: number[], used: number[]) => {
    offer(chain);
    const [begun, last] = [chain[0] ?? 0, chain.at(-1) ?? 0];
    times.forEach((at, i) => {
      if (!isStep(i, chain.length) || used.includes(i) || chain.length >= steps) return;
      if (sameInstant === "counts" ? at < last : at <= last) return;
      if (at - begun >= windowUs || killed(begun, at)) return;
      if (
        order === "strict" &&
        times.some((between, j) => between > last && between < at && anyStep(j))
      )
        return;
      extend([...chain, at], [...used, i]);
    });
  };
  for (const start of starts.filter((i) => isStep(i, 0))) extend([times[start] ?? 0], [start]);
  return best;
}

describe("a journey", () => {
  it.each(
    ORDERS.flatMap((order) =>
      (["counts", "does_not"] as const).map((same) => [order, same] as const),
    ),
  )("%s, same instant %s, is what brute force finds on random logs", (order, sameInstant) => {
    const next = random(order.length * 100 + sameInstant.length);
    const levels = new Map<number, number>();
    for (let log = 0; log < 3000; log++) {
      const steps = 2 + Math.floor(next() * 3);
      const exclusions = next() < 0.4 ? 1 : 0;
      // Few instants, so that many moments share one; some moments are of several kinds.
      const times = Array.from({ length: 1 + Math.floor(next() * 8) }, () =>
        Math.floor(next() * 10),
      ).sort((a, b) => a - b);
      const masks = times.map(() => {
        let mask = 2 ** Math.floor(next() * (steps + exclusions));
        if (next() < 0.3) mask |= 2 ** Math.floor(next() * steps);
        return mask;
      });
      const rules: Rules = {
        steps,
        order,
        sameInstant,
        windowUs: 1 + Math.floor(next() * 9),
        from: Math.floor(next() * 3),
        to: 4 + Math.floor(next() * 7),
      };
      const user = { userId: "u", times, masks, properties: [] };
      const journey = journeyOf(user, rules);
      const expected = oracle(user, rules);
      expect({
        times,
        masks,
        rules,
        found: journey && { level: journey.level, times: journey.times },
      }).toEqual({
        times,
        masks,
        rules,
        found: expected,
      });
      levels.set(expected?.level ?? 0, (levels.get(expected?.level ?? 0) ?? 0) + 1);
    }
    // The logs are worth something: journeys of all lengths were among them.
    for (const level of [0, 1, 2, 3]) expect(levels.get(level) ?? 0).toBeGreaterThan(10);
  });
});

it("a journey of a user with very many starts and no second step is found without trying each against each", () => {
  const times = Array.from({ length: 200_000 }, (_, n) => n);
  const rules: Rules = {
    steps: 2,
    order: "ordered",
    sameInstant: "counts",
    windowUs: 1_000_000,
    from: 0,
    to: 200_000,
  };
  const user = (mask: (n: number) => number) => ({
    userId: "u",
    times,
    masks: times.map(mask),
    properties: [],
  });
  expect(
    journeyOf(
      user(() => 1),
      rules,
    ),
  ).toEqual({ level: 1, times: [0], entry: 0 });
  expect(
    journeyOf(
      user((n) => (n === 0 ? 2 : 1)),
      rules,
    ),
  ).toMatchObject({ level: 1, times: [1] });
});
