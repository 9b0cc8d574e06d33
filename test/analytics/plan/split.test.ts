import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseRollups } from "../../../src/analytics/plan/rollup-choice.ts";
import {
  explainPieces,
  partByMarks,
  recentHours,
  type SplitRange,
  splitByGrain,
} from "../../../src/analytics/plan/split.ts";
import { bucketsOf } from "../../../src/analytics/time/range.ts";
import type { TimeRange } from "../../../src/analytics/time/time-range.ts";
import { DAY_US, HOUR_US, MINUTE_US } from "../../../src/lib/time.ts";

const START = Date.UTC(2026, 2, 27) * 1000;
const MINUTES = 4 * 24 * 60;
const ZONES = ["UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu"];

/** The minutes (from START) that ranges cover. */
const minutesOf = (ranges: readonly TimeRange[]) =>
  new Set(
    ranges.flatMap(({ from, to }) =>
      Array.from(
        { length: Math.max(0, to - from) / MINUTE_US },
        (_, n) => (from - START) / MINUTE_US + n,
      ),
    ),
  );
const inMinutes = (of: (minute: number) => boolean) =>
  new Set(Array.from({ length: MINUTES }, (_, minute) => minute).filter(of));
const ordered = (list: readonly TimeRange[]) =>
  list.every(({ from, to }, index) => from < to && (list[index - 1]?.to ?? 0) <= from);

const marks = (unit: number) =>
  fc
    .uniqueArray(fc.nat((MINUTES * MINUTE_US) / unit - 1), { maxLength: 40 })
    .map((list) => list.sort((a, b) => a - b).map((n) => START + n * unit));

/** Disjoint ranges in time order, some of which touch. */
const ranges = fc.uniqueArray(fc.nat(MINUTES), { minLength: 2, maxLength: 60 }).chain((ends) => {
  const sorted = [...ends].sort((a, b) => a - b);
  return fc.subarray(
    sorted.slice(1).map((to, index) => ({
      from: START + (sorted[index] ?? 0) * MINUTE_US,
      to: START + to * MINUTE_US,
    })),
  );
});

describe("marks", () => {
  it("part pieces into what lies in a marked unit and what does not", () => {
    fc.assert(
      fc.property(
        ranges,
        fc
          .constantFrom(MINUTE_US, HOUR_US, DAY_US)
          .chain((unit) => fc.tuple(fc.constant(unit), marks(unit))),
        (pieces, [unit, marked]) => {
          const { taken, left } = partByMarks(pieces, marked, unit);
          const all = minutesOf(pieces);
          const isMarked = (minute: number) =>
            marked.some((mark) => {
              const at = START + minute * MINUTE_US;
              return at >= mark && at < mark + unit;
            });
          expect(minutesOf(taken)).toEqual(inMinutes((m) => all.has(m) && isMarked(m)));
          expect(minutesOf(left)).toEqual(inMinutes((m) => all.has(m) && !isMarked(m)));
          expect([ordered(taken), ordered(left)]).toEqual([true, true]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Which source answers a minute, by the definition: each level in turn. */
function sourceOf(
  minute: number,
  pieces: Record<"day" | "hour" | "quarter", Set<number>> & { fallback: Set<number> },
  marked: Record<"days" | "hours" | "withoutQuarters" | "minutes", Set<number>>,
  hasHours: boolean,
  read: Set<number>,
): "day" | "hour" | "quarter" | "minute" | "raw" {
  if (pieces.day.has(minute) && !marked.days.has(minute)) return "day";
  if (pieces.quarter.has(minute) && !marked.withoutQuarters.has(minute)) return "quarter";
  const isOfHours = [pieces.day, pieces.hour, pieces.fallback].some((list) => list.has(minute));
  if (!hasHours) return "raw";
  if (isOfHours && !marked.hours.has(minute)) return "hour";
  return read.has(minute) && !marked.minutes.has(minute) ? "minute" : "raw";
}

describe("pieces with marks", () => {
  it("are shown with the source that answers each, by the definition", () => {
    fc.assert(
      fc.property(
        fc.nat(MINUTES / 2),
        fc.integer({ min: 1, max: MINUTES / 2 }),
        fc.constantFrom(...ZONES),
        fc.constantFrom("hour" as const, "day" as const),
        fc.constantFrom(["agent" as const], ["model" as const]),
        fc.boolean(),
        fc.tuple(marks(DAY_US), marks(HOUR_US), marks(DAY_US)),
        fc.record({
          now: fc.nat(MINUTES),
          marked: fc.uniqueArray(fc.nat(3 * 60 - 1), { maxLength: 30 }),
          // The clock of the database is some hours from the reader's.
          away: fc.constantFrom(0, 0, 0, -2, -1, 1, 2),
        }),
        (
          from,
          length,
          zone,
          granularity,
          needed,
          countsOnly,
          [days, hours, withoutQuarters],
          of,
        ) => {
          const recent = recentHours(START + of.now * MINUTE_US);
          const firstMinute = recent.from + of.away * HOUR_US;
          const minutes = of.marked.sort((a, b) => a - b).map((n) => recent.from + n * MINUTE_US);
          const range = {
            from: START + from * MINUTE_US,
            to: START + (from + length) * MINUTE_US,
          };
          const source = chooseRollups(needed, countsOnly);
          const split: SplitRange = splitByGrain(
            bucketsOf(range, granularity, zone),
            source,
            START + of.now * MINUTE_US,
          );
          const given = { days, hours, minutes, firstMinute, withoutQuarters };
          const shown = explainPieces(split, source, given);
          const units = (list: readonly number[], unit: number) =>
            minutesOf(list.map((at) => ({ from: at, to: at + unit })));
          const pieces = {
            day: minutesOf(split.day),
            hour: minutesOf(split.hour),
            quarter: minutesOf(split.quarter),
            fallback: minutesOf(split.fallback.hour),
          };
          const marked = {
            days: units(days, DAY_US),
            hours: units(hours, HOUR_US),
            withoutQuarters: units(withoutQuarters, DAY_US),
            minutes: units(minutes, MINUTE_US),
          };
          const read = minutesOf([{ from: Math.max(recent.from, firstMinute), to: recent.to }]);
          for (const name of ["day", "hour", "quarter", "minute", "raw"] as const) {
            const expected = inMinutes(
              (m) =>
                m >= from &&
                m < from + length &&
                sourceOf(m, pieces, marked, source.hourly !== undefined, read) === name,
            );
            expect([name, minutesOf(shown[name])]).toEqual([name, expected]);
            expect(ordered(shown[name])).toBe(true);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});
