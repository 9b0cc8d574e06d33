import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseRollups } from "../../../src/analytics/plan/rollup-choice.ts";
import { splitByGrain } from "../../../src/analytics/plan/split.ts";
import { type ComparedPeriod, comparedRange } from "../../../src/analytics/time/compared-range.ts";
import { bucketsOf, GRANULARITIES } from "../../../src/analytics/time/range.ts";
import type { TimeRange } from "../../../src/analytics/time/time-range.ts";
import {
  DAY_US,
  formatInstant,
  fromPostgres,
  HOUR_US,
  MINUTE_US,
  parseInstant,
  QUARTER_US,
} from "../../../src/lib/time.ts";

const at = (text: string) => parseInstant(text) ?? Number.NaN;
const ZONES = [
  "UTC",
  "Asia/Kolkata",
  "Asia/Kathmandu",
  "Australia/Lord_Howe",
  "America/New_York",
  "Europe/Berlin",
  "Pacific/Apia",
  "America/St_Johns",
];
const range = fc
  .record({
    from: fc.integer({ min: at("2009-01-01T00:00:00Z"), max: at("2027-01-01T00:00:00Z") }),
    length: fc.integer({ min: 1, max: 20 * DAY_US }),
  })
  .map(({ from, length }) => ({ from, to: from + length }));

/** Local wall-clock text of a moment, by the runtime's own formatter and not by the library under test. */
function wall(us: number, timeZone: string): string {
  const format = new Intl.DateTimeFormat("sv-SE", {
    timeZone,
    dateStyle: "short",
    timeStyle: "medium",
  });
  return format.format(new Date(us / 1000)).replace(" ", "T");
}

describe("buckets", () => {
  it("touch, cover the range exactly and are labelled with local time, in every zone", () => {
    fc.assert(
      fc.property(
        range,
        fc.constantFrom(...ZONES),
        fc.constantFrom(...GRANULARITIES.slice(1)),
        (asked, zone, granularity) => {
          const buckets = bucketsOf(asked, granularity, zone);
          expect(buckets[0]?.from).toBe(asked.from);
          expect(buckets.at(-1)?.to).toBe(asked.to);
          buckets.forEach((bucket, index) => {
            expect(bucket.to).toBeGreaterThan(bucket.from);
            if (index > 0) expect(bucket.from).toBe(buckets[index - 1]?.to);
            if (index > 0) expect(bucket.label.slice(0, 19)).toBe(wall(bucket.from, zone));
          });
          expect(new Set(buckets.map((bucket) => bucket.label)).size).toBe(buckets.length);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ["America/New_York", "2026-03-08T00:00:00-05:00", 23],
    ["America/New_York", "2026-11-01T00:00:00-04:00", 25],
    ["Europe/Berlin", "2026-03-29T00:00:00+01:00", 23],
    ["Europe/Berlin", "2026-10-25T00:00:00+02:00", 25],
    ["Australia/Lord_Howe", "2026-04-05T00:00:00+11:00", 24.5],
    ["Australia/Lord_Howe", "2026-10-04T00:00:00+10:30", 23.5],
    ["Asia/Kolkata", "2026-10-25T00:00:00+05:30", 24],
    ["Asia/Kathmandu", "2026-10-25T00:00:00+05:45", 24],
  ])("of days in %s on %s are %d hours long", (zone, label, hours) => {
    const start = at(label);
    const day = bucketsOf({ from: start - DAY_US, to: start + 2 * DAY_US }, "day", zone).find(
      (bucket) => bucket.label === label,
    );
    expect(((day?.to ?? 0) - (day?.from ?? 0)) / HOUR_US).toBe(hours);
  });

  it("leaves out the day that Samoa skipped", () => {
    const labels = bucketsOf(
      { from: at("2011-12-29T00:00:00-10:00"), to: at("2012-01-02T00:00:00+14:00") },
      "day",
      "Pacific/Apia",
    ).map((bucket) => bucket.label.slice(0, 10));
    expect(labels).toEqual(["2011-12-29", "2011-12-31", "2012-01-01"]);
  });

  it("of weeks start on Monday, of months on the first", () => {
    const asked = { from: at("2026-02-25T12:00:00Z"), to: at("2026-03-10T00:00:00Z") };
    expect(bucketsOf(asked, "week", "UTC").map((bucket) => bucket.label.slice(0, 10))).toEqual([
      "2026-02-23",
      "2026-03-02",
      "2026-03-09",
    ]);
    expect(bucketsOf(asked, "month", "UTC").map((bucket) => bucket.label.slice(0, 10))).toEqual([
      "2026-02-01",
      "2026-03-01",
    ]);
  });

  it("are refused when there would be more than 10,000", () => {
    expect(() => bucketsOf({ from: 0, to: 400 * DAY_US }, "minute", "UTC")).toThrow(
      expect.objectContaining({ code: "too_many_buckets" }),
    );
  });
});

describe("pieces", () => {
  it("are disjoint, cover the buckets exactly, and never cross a bucket's border", () => {
    fc.assert(
      fc.property(
        range,
        fc.constantFrom(...ZONES),
        fc.constantFrom("hour" as const, "day" as const),
        fc.constantFrom(["agent" as const], ["model" as const], undefined),
        fc.boolean(),
        fc.integer({ min: -3 * 60, max: 40 * 24 * 60 }),
        (asked, zone, granularity, needed, countsOnly, minutes) => {
          const now = asked.from + minutes * MINUTE_US;
          const buckets = bucketsOf(asked, granularity, zone);
          const pieces = splitByGrain(buckets, chooseRollups(needed, countsOnly), now);
          const { day, hour, quarter, minute, raw } = pieces;
          const all = [day, hour, quarter, minute, raw].flat().sort((a, b) => a.from - b.from);
          expect(all[0]?.from).toBe(asked.from);
          expect(all.at(-1)?.to).toBe(asked.to);
          for (const [index, piece] of all.slice(1).entries())
            expect(piece.from).toBe(all[index]?.to);
          const units = [
            ...pieces.day.map((piece) => ({ piece, unit: DAY_US })),
            ...[...pieces.hour, ...pieces.fallback.hour].map((piece) => ({ piece, unit: HOUR_US })),
            ...pieces.quarter.map((piece) => ({ piece, unit: QUARTER_US })),
            ...[...minute, ...pieces.fallback.minute].map((piece) => ({ piece, unit: MINUTE_US })),
          ];
          for (const { piece, unit } of units) {
            expect([piece.from % unit, piece.to % unit]).toEqual([0, 0]);
            // Each whole unit lies inside one bucket.
            for (let start = piece.from; start < piece.to; start += unit)
              expect(
                buckets.filter((bucket) => bucket.from < start + unit && bucket.to > start),
              ).toHaveLength(1);
          }
          // Beneath the quarters lie hours and the rest, without a gap.
          const size = (list: { from: number; to: number }[]) =>
            list.reduce((sum, piece) => sum + piece.to - piece.from, 0);
          const { fallback } = pieces;
          expect(size([...fallback.hour, ...fallback.minute, ...fallback.raw])).toBe(
            size(pieces.quarter),
          );
          if (countsOnly && needed?.[0] === "agent")
            for (const piece of pieces.raw)
              for (const bucket of buckets)
                expect(
                  Math.min(piece.to, bucket.to) - Math.max(piece.from, bucket.from),
                ).toBeLessThan(QUARTER_US);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe("times", () => {
  it("keep microseconds through PostgreSQL's text and back", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: at("2000-01-01T00:00:00Z"), max: at("2200-01-01T00:00:00Z") }),
        (us) => {
          expect(parseInstant(formatInstant(us))).toBe(us);
        },
      ),
    );
    for (const [fraction, written] of [
      ["", ".000"],
      [".5", ".500"],
      [".123", ".123"],
      [".1234", ".123400"],
      [".000001", ".000001"],
    ])
      for (const [local, offset] of [
        ["2026-03-01 00:00:00", "+00"],
        ["2026-02-28 19:00:00", "-05"],
      ])
        expect(fromPostgres(`${local}${fraction}${offset}`)).toBe(`2026-03-01T00:00:00${written}Z`);
    expect(fromPostgres("2026-03-01 05:30:00.5+05:30")).toBe("2026-03-01T00:00:00.500Z");
    expect(fromPostgres("2026-03-01 00:00:00.123456+00")).toBe("2026-03-01T00:00:00.123456Z");
    expect(parseInstant("2023-11-16 18:15:46.6805900Z")).toBe(at("2023-11-16T18:15:46.680590Z"));
  });

  it.each([
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-13-01T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "now",
    "",
  ])("does not take %s", (text) => {
    expect(parseInstant(text)).toBeUndefined();
  });

  it("compares with the range before, and with the same local dates a year earlier", () => {
    const whole = (of: TimeRange, compare: ComparedPeriod, zone: string) => {
      const { elapsed, ...found } = comparedRange(of, compare, zone, of.to);
      expect(elapsed).toBe(false);
      return found;
    };
    const asked = { from: at("2026-03-29T00:00:00+01:00"), to: at("2026-03-30T00:00:00+02:00") };
    expect(whole(asked, "previous_period", "Europe/Berlin")).toEqual({
      from: at("2026-03-28T00:00:00+01:00"),
      to: asked.from,
    });
    expect(
      whole({ from: asked.from + 1, to: asked.to }, "previous_period", "Europe/Berlin"),
    ).toEqual({
      from: asked.from + 2 - 23 * HOUR_US,
      to: asked.from + 1,
    });
    const march = { from: at("2026-03-01T00:00:00-05:00"), to: at("2026-04-01T00:00:00-04:00") };
    expect(whole(march, "previous_period", "America/New_York").from).toBe(
      at("2026-02-01T00:00:00-05:00"),
    );
    const autumn = { from: at("2026-10-27T00:00:00-04:00"), to: at("2026-11-03T00:00:00-05:00") };
    expect(whole(autumn, "previous_period", "America/New_York").from).toBe(
      at("2026-10-20T00:00:00-04:00"),
    );
    const leap = { from: at("2024-02-28T00:00:00Z"), to: at("2024-02-29T00:00:00Z") };
    expect(whole(leap, "previous_year", "UTC")).toEqual({
      from: at("2023-02-28T00:00:00Z"),
      to: at("2023-03-01T00:00:00Z"),
    });
    const february = { from: at("2024-02-01T00:00:00Z"), to: at("2024-03-01T00:00:00Z") };
    expect(whole(february, "previous_year", "UTC")).toEqual({
      from: at("2023-02-01T00:00:00Z"),
      to: at("2023-03-01T00:00:00Z"),
    });
    expect(() =>
      whole(
        { from: at("2024-06-01T00:00:00Z"), to: at("2026-06-01T00:00:00Z") },
        "previous_year",
        "UTC",
      ),
    ).toThrow(/overlaps/);
    expect(whole(asked, "previous_year", "Europe/Berlin")).toEqual({
      from: at("2025-03-29T00:00:00+01:00"),
      to: at("2025-03-30T00:00:00+01:00"),
    });
  });
});
