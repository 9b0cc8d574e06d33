import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { journeyOf } from "../../../src/analytics/funnels/evaluate.ts";
import {
  type FunnelRules,
  STEP_ORDERS,
  type StepOrder,
  type StepTally,
  type UserJourney,
} from "../../../src/analytics/funnels/rules.ts";
import type { UserOccurrences } from "../../../src/analytics/funnels/unpack.ts";

/** A chain of moments, by their places: the n-th is of step n, or in any order of the step beside it. */
interface Chain {
  places: number[];
  steps: number[];
}

/**
 * Brute force, straight from the definition: every chain of distinct moments from every start, with whatever the rules say of the next
 * one said of each pair. Shares nothing with the evaluator.
 */
class Oracle {
  private readonly user: UserOccurrences;
  private readonly rules: FunnelRules;
  best: { times: number[]; entry: number | undefined } | undefined;
  open = false;

  constructor(user: UserOccurrences, rules: FunnelRules) {
    this.user = user;
    this.rules = rules;
    user.times.forEach((at, place) => {
      if (at < rules.from || at >= rules.to) return;
      for (const step of this.firsts())
        if (this.is(place, step)) this.extend({ places: [place], steps: [step] });
    });
  }

  private firsts = () =>
    this.rules.order === "any" ? Array.from({ length: this.rules.steps }, (_, step) => step) : [0];
  private is = (place: number, step: number) =>
    Math.floor((this.user.masks[place] ?? 0) / 2 ** step) % 2 === 1;
  private at = (place: number) => this.user.times[place] ?? 0;

  /** Whether a step may come at a moment after a chain, its window aside. */
  private fits(chain: Chain, at: number): boolean {
    const { steps, order, sameInstant, exclusions } = this.rules;
    const last = this.at(chain.places.at(-1) ?? 0);
    if (sameInstant === "counts" ? at < last : at <= last) return false;
    const taken = chain.places.length;
    const excluded = exclusions.some(({ after, before }, number) => {
      if (taken < after || taken >= before) return false;
      const since = this.at(chain.places[after - 1] ?? 0);
      return this.user.times.some(
        (e, place) =>
          this.is(place, steps + number) &&
          e > since &&
          (sameInstant === "counts" ? e <= at : e < at),
      );
    });
    if (excluded) return false;
    const between = (which: (place: number) => boolean) =>
      this.user.times.some((t, place) => t > last && t < at && which(place));
    if (order === "contiguous") return !between(() => true);
    const ofStep = (place: number) =>
      Array.from({ length: steps }, (_, step) => step).some((step) => this.is(place, step));
    return order !== "strict" || !between(ofStep);
  }

  private offer({ places, steps }: Chain): void {
    const times = places.map(this.at);
    const first = places[steps.indexOf(0)];
    const entry =
      first === undefined
        ? undefined
        : this.user.masks.slice(0, first).filter((mask) => mask % 2 === 1).length;
    const found = { times, entry };
    const known = this.best;
    if (!known) this.best = found;
    else {
      const differs = times.findIndex((time, i) => time !== known.times[i]);
      const earlier =
        differs >= 0
          ? (times[differs] ?? 0) < (known.times[differs] ?? 0)
          : (entry ?? 1e9) < (known.entry ?? 1e9);
      if (times.length > known.times.length || (times.length === known.times.length && earlier))
        this.best = found;
    }
  }

  private extend(chain: Chain): void {
    const { steps, windowUs, order, now } = this.rules;
    this.offer(chain);
    if (chain.places.length >= steps) return;
    const begun = this.at(chain.places[0] ?? 0);
    const never = Math.max(...this.user.times) + 1;
    if (begun + windowUs >= now && this.fits(chain, never)) this.open = true;
    const next =
      order === "any"
        ? this.firsts().filter((step) => !chain.steps.includes(step))
        : [chain.places.length];
    this.user.times.forEach((at, place) => {
      if (chain.places.includes(place) || at - begun > windowUs || !this.fits(chain, at)) return;
      for (const step of next)
        if (this.is(place, step))
          this.extend({ places: [...chain.places, place], steps: [...chain.steps, step] });
    });
  }

  journey(): UserJourney | undefined {
    if (!this.best) return undefined;
    const { times, entry } = this.best;
    const level = times.length;
    return { level, times, entry, inProgress: level < this.rules.steps && this.open };
  }
}

/** Logs of few instants, so that many moments share one; some are of several kinds, some of none. */
const cases = (order: StepOrder, sameInstant: FunnelRules["sameInstant"]) =>
  fc
    .record({ steps: fc.integer({ min: 2, max: 4 }), excluded: fc.integer({ min: 0, max: 2 }) })
    .chain(({ steps, excluded }) =>
      fc.record({
        moments: fc.array(
          fc.record({
            at: fc.integer({ min: 0, max: 9 }),
            mask: fc.oneof(
              { weight: 5, arbitrary: fc.integer({ min: 0, max: steps - 1 }).map((n) => 2 ** n) },
              { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 ** (steps + excluded) - 1 }) },
            ),
          }),
          { minLength: 1, maxLength: 8 },
        ),
        rules: fc.record({
          steps: fc.constant(steps),
          order: fc.constant(order),
          sameInstant: fc.constant(sameInstant),
          exclusions: fc.array(
            order === "any"
              ? fc.constant({ after: 1, before: steps })
              : fc
                  .tuple(fc.integer({ min: 1, max: steps - 1 }), fc.integer({ min: 1, max: 9 }))
                  .map(([after, more]) => ({ after, before: Math.min(steps, after + more) })),
            { minLength: excluded, maxLength: excluded },
          ),
          windowUs: fc.integer({ min: 1, max: 9 }),
          from: fc.integer({ min: 0, max: 2 }),
          to: fc.integer({ min: 4, max: 10 }),
          now: fc.integer({ min: 9, max: 16 }),
        }),
      }),
    );

const userOf = (moments: { at: number; mask: number }[]): UserOccurrences => {
  const order = [...moments].sort((a, b) => a.at - b.at || a.mask - b.mask);
  return {
    userId: "u",
    times: order.map(({ at }) => at),
    masks: order.map(({ mask }) => mask),
    properties: [],
  };
};

const MODES = STEP_ORDERS.flatMap((order) =>
  (["counts", "does_not"] as const).map((same) => [order, same] as const),
);

describe("a journey", () => {
  it.each(MODES)(
    "%s, same instant %s, is the best of all chains of a log",
    (order, sameInstant) => {
      const levels = new Map<number, number>();
      let open = 0;
      fc.assert(
        fc.property(cases(order, sameInstant), ({ moments, rules }) => {
          const user = userOf(moments);
          const expected = new Oracle(user, rules).journey();
          levels.set(expected?.level ?? 0, (levels.get(expected?.level ?? 0) ?? 0) + 1);
          if (expected?.inProgress) open++;
          expect(journeyOf(user, rules)).toEqual(expected);
        }),
        { numRuns: 2_000, seed: 20_261_126 },
      );
      // The logs are worth something: journeys of all lengths, and open ones, were among them.
      for (const level of [0, 1, 2, 3]) expect(levels.get(level) ?? 0).toBeGreaterThan(10);
      expect(open).toBeGreaterThan(100);
    },
  );
});

const RULES: FunnelRules = {
  steps: 2,
  exclusions: [],
  order: "ordered",
  sameInstant: "counts",
  windowUs: 1_000_000,
  from: 0,
  to: 200_000,
  now: 10_000_000,
};

describe("any order", () => {
  const one = (masks: number[], sameInstant: FunnelRules["sameInstant"] = "counts") =>
    journeyOf(userOf(masks.map((mask) => ({ at: 5, mask }))), {
      ...RULES,
      order: "any",
      sameInstant,
    });

  it("needs a moment of its own for each step: one that is of both steps is one step", () => {
    expect(one([3])).toMatchObject({ level: 1, times: [5], entry: 0 });
    expect(one([3, 3])).toMatchObject({ level: 2, times: [5, 5] });
  });

  it("takes one step at one instant where steps of the same instant do not count", () => {
    expect(one([1, 2])).toMatchObject({ level: 2 });
    expect(one([1, 2], "does_not")).toMatchObject({ level: 1 });
  });
});

describe("the window", () => {
  it.each(STEP_ORDERS)(
    "%s: a step at its very end counts, and one a microsecond later does not",
    (order) => {
      const rules = { ...RULES, order, windowUs: 100 };
      const two = (at: number) =>
        userOf([
          { at: 7, mask: 1 },
          { at, mask: 2 },
        ]);
      expect(journeyOf(two(107), rules)).toMatchObject({ level: 2 });
      expect(journeyOf(two(108), rules)).toMatchObject({ level: 1 });
    },
  );
});

/** Moments of one user in all the shapes that were quadratic once: the work may only grow as the log does. */
describe("a user of 100,000 moments", () => {
  const SHAPES: [string, (n: number) => { at: number; mask: number }][] = [
    ["starts alone", (n) => ({ at: n, mask: 1 })],
    ["starts and a second step long before them", (n) => ({ at: n, mask: n === 0 ? 2 : 1 })],
    ["first and second steps in turn, and no third", (n) => ({ at: n, mask: 1 + (n % 2) })],
    ["all steps in turn, the last missing", (n) => ({ at: n, mask: 1 << (n % 4) })],
    ["everything at one instant", (n) => ({ at: 5, mask: 1 << (n % 4) })],
    ["ten at each instant", (n) => ({ at: Math.floor(n / 10), mask: 1 + (n % 15) })],
    ["moments of all steps but the last", () => ({ at: 0, mask: 15 })],
    ["an exclusion after every start", (n) => ({ at: n, mask: n % 2 === 0 ? 1 : 32 })],
  ];
  const CASES = SHAPES.flatMap(([name, shape]) =>
    MODES.map((mode) => [name, ...mode, shape] as const),
  );

  it.each(CASES)(
    "(%s; %s, %s) costs ten times what a tenth of it costs",
    (_, order, same, shape) => {
      const rules: FunnelRules = {
        ...RULES,
        steps: 5,
        exclusions: [{ after: 1, before: 5 }],
        order,
        sameInstant: same,
      };
      const work = (length: number) => {
        const tally: StepTally = { steps: 0 };
        const user = userOf(Array.from({ length }, (__, n) => shape(n)));
        expect(journeyOf(user, rules, tally)?.level).toBeLessThan(5);
        return tally.steps;
      };
      const [small, large] = [work(10_000), work(100_000)];
      expect(large).toBeLessThan(11 * small + 1_000);
      expect(large).toBeLessThan(100 * 100_000);
    },
  );
});
