import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JourneyTally } from "../../../src/analytics/funnels/journey-tally.ts";
import type { FunnelUser } from "../../../src/analytics/funnels/run-funnel.ts";
import { TrendCounts } from "../../../src/analytics/funnels/trend-counts.ts";
import { wholeBuckets } from "../../../src/analytics/time/range.ts";
import { WORK_BUDGETS } from "../../../src/lib/budget.ts";
import { FirstById } from "../../../src/lib/first-by-id.ts";
import { NumberList } from "../../../src/lib/number-list.ts";

const NAMES = ["a", "b", "c"];
const DAY_US = 86_400_000_000;
const anyUser = fc
  .record({
    userId: fc.string(),
    times: fc.array(fc.integer({ min: 0, max: 40 * DAY_US }), { minLength: 1, maxLength: 3 }),
    open: fc.boolean(),
    property: fc.option(
      fc.integer({ min: 0, max: 70 }).map((number) => (number < 3 ? "null" : `p${number}`)),
      { nil: null },
    ),
  })
  .map(({ userId, times, open, property }): FunnelUser => {
    const inProgress = open && times.length < 3;
    return {
      userId,
      times: times.toSorted((a, b) => a - b),
      level: times.length,
      inProgress,
      property,
    };
  });
const anyUsers = fc.array(anyUser, { maxLength: 150 });

/** Straight from the users: rank ceil(q n) of the times between two steps. */
function stepsByHand(users: readonly FunnelUser[]) {
  const rate = (part: number, whole: number) => (whole === 0 ? null : part / whole);
  return NAMES.map((name, index) => {
    const here = users.filter(({ level }) => level > index);
    const open = users.filter(({ level, inProgress }) => level === index + 1 && inProgress);
    const left = users.filter(({ level, inProgress }) => level === index + 1 && !inProgress);
    const before = users.filter(({ level }) => level >= index);
    const ms = here
      .map(({ times }) => ((times[index] ?? 0) - (times[index - 1] ?? 0)) / 1000)
      .sort((a, b) => a - b);
    const ranked = (q: number) => ms[Math.max(1, Math.ceil(q * ms.length)) - 1] ?? null;
    const dropped = index === NAMES.length - 1 ? 0 : left.length;
    return {
      step: index + 1,
      name,
      users: here.length,
      conversion_rate: rate(here.length, users.length),
      step_conversion_rate: index === 0 ? null : rate(here.length, before.length),
      dropped_users: dropped,
      in_progress_users: open.length,
      drop_off_rate: rate(dropped, here.length),
      time_to_convert_ms: index === 0 ? null : { median: ranked(0.5), p90: ranked(0.9) },
    };
  });
}

describe("a tally of journeys", () => {
  it("has the steps and the breakdown that the users have, in whatever order they come", () => {
    fc.assert(
      fc.property(anyUsers, (users) => {
        const tally = new JourneyTally(NAMES, { byProperty: true });
        const reversed = new JourneyTally(NAMES, { byProperty: true });
        for (const user of users) tally.add(user);
        for (const user of users.toReversed()) reversed.add(user);
        expect(tally.steps()).toEqual(stepsByHand(users));
        expect(reversed.steps()).toEqual(tally.steps());
        const groups = tally.breakdown() ?? [];
        expect(reversed.breakdown()).toEqual(groups);
        const shown = groups.filter(({ other }) => !other);
        for (const { value, steps } of shown)
          expect(steps).toEqual(stepsByHand(users.filter(({ property }) => property === value)));
        const values = shown.map(({ value }) => value);
        const rest = users.filter(({ property }) => !values.includes(property));
        expect(shown.length).toBeLessThanOrEqual(50);
        expect(groups.filter(({ other }) => other).map(({ steps }) => steps)).toEqual(
          rest.length === 0 ? [] : [stepsByHand(rest)],
        );
        const sizes = shown.map(({ steps }) => steps[0]?.users ?? 0);
        expect(sizes).toEqual(sizes.toSorted((a, b) => b - a));
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  it("has no breakdown that was not asked for, and refuses more values than it can keep", () => {
    expect(new JourneyTally(NAMES).breakdown()).toBeNull();
    const tally = new JourneyTally(NAMES, { byProperty: true });
    const add = (property: string) =>
      tally.add({ userId: property, level: 1, times: [0], inProgress: false, property });
    const room = WORK_BUDGETS.breakdown.limit / 256;
    for (let number = 0; number < room; number++) add(String(number).padStart(256 - 40));
    expect(() => add("")).toThrow(expect.objectContaining({ code: "too_many_groups" }));
  });

  it("counts each user in the bucket in which the journey begins", () => {
    const range = { from: 5 * DAY_US, to: 30 * DAY_US };
    const buckets = wholeBuckets(range, "week", "Europe/Berlin");
    fc.assert(
      fc.property(anyUsers, (users) => {
        const trend = new TrendCounts(buckets, NAMES.length);
        for (const user of users) trend.add(user);
        const expected = buckets.map(({ to, label }, index) => {
          const from = buckets[index - 1]?.to ?? Number.NEGATIVE_INFINITY;
          const own = users.filter(({ times: [at = 0] }) => at >= from && at < to);
          const converted = own.filter(({ level }) => level === 3).length;
          return {
            bucket: label,
            entered: own.length,
            converted,
            in_progress: own.filter(({ inProgress }) => inProgress).length,
            conversion_rate: own.length === 0 ? null : converted / own.length,
          };
        });
        expect(trend.rows()).toEqual(expected);
      }),
      { numRuns: 100, seed: 6 },
    );
  });
});

describe("a list of numbers", () => {
  it("gives back what was added, and all of it sorted", () => {
    const anyNumbers = fc.array(
      fc.maxSafeNat().map((number) => number % 2 ** 48),
      {
        maxLength: 5_000,
        size: "max",
      },
    );
    fc.assert(
      fc.property(anyNumbers, (numbers) => {
        const list = new NumberList();
        for (const number of numbers) list.add(number);
        expect(numbers.map((_, index) => list.at(index))).toEqual(numbers);
        expect([...list.sorted()]).toEqual(numbers.toSorted((a, b) => a - b));
      }),
      { numRuns: 20, seed: 7 },
    );
  });
});

describe("the first rows by id", () => {
  it("are the first of all, in any script", () => {
    const anyIds = fc.uniqueArray(fc.string({ unit: "binary", maxLength: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(anyIds, fc.integer({ min: 1, max: 10 }), (ids, limit) => {
        const firsts = new FirstById<{ id: string }>(limit, ({ id }) => id);
        for (const id of ids) firsts.add({ id });
        expect(firsts.rows().map(({ id }) => id)).toEqual(ids.toSorted().slice(0, limit));
      }),
      { numRuns: 200, seed: 9 },
    );
  });
});
