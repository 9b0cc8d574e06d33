import { Temporal } from "temporal-polyfill";
import { beforeAll, describe, expect, it } from "vitest";
import { runQuery } from "../../../src/analytics/ask.ts";
import type { Query } from "../../../src/analytics/query.ts";
import { namedRange } from "../../../src/analytics/time/calendar-ranges.ts";
import {
  bucketsOf,
  completeOf,
  type Granularity,
  wholeBuckets,
} from "../../../src/analytics/time/range.ts";
import { clockOf, clockPieces, dateOf, startOfDate } from "../../../src/analytics/time/zones.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { runRollups } from "../../../src/features/rollups/run.ts";
import { DAY_US, HOUR_US, MINUTE_US, parseInstant } from "../../../src/lib/time.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

const at = (text: string) => parseInstant(text) ?? Number.NaN;

interface Clock {
  date: string;
  hour: number;
  time: string;
}
const formats = new Map<string, Intl.DateTimeFormat>();

/** Local date and time by Intl, which shares nothing with Temporal. */
function clock(us: number, timeZone: string): Clock {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat("en-CA", {
      timeZone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  formats.set(timeZone, format);
  const parts = Object.fromEntries(
    format.formatToParts(new Date(us / 1000)).map(({ type, value }) => [type, value]),
  );
  const { year, month, day, hour, minute, second } = parts;
  return {
    date: `${year}-${month}-${day}`,
    hour: Number(hour),
    time: `${hour}:${minute}:${second}`,
  };
}
const weekday = (date: string) => new Date(date).getUTCDay() || 7;

/** Of zones that change alike, at one moment and by the same offsets, one stands for all. */
const seen = new Set<string>();

/** Changes of a zone's offset since 1972, as the library knows them; what is tested is what is made of them. */
function changesOf(zone: string): number[] {
  const changes: number[] = [];
  let zoned = Temporal.Instant.from("1971-12-31T00:00:00Z").toZonedDateTimeISO(zone);
  for (;;) {
    const next = zoned.getTimeZoneTransition("next");
    if (!next || next.year > 2027) return changes;
    const kind = `${next.epochMilliseconds} ${zoned.offset} ${next.offset}`;
    if (!seen.has(kind)) changes.push(next.epochMilliseconds * 1000);
    seen.add(kind);
    zoned = next;
  }
}

/** Names the zone and the moment in what fails. */
const place = (zone: string, us: number) => `${zone} ${new Date(us / 1000).toISOString()}`;

/** A label is a moment that existed: its wall time is what clocks showed then, and it is where the bucket begins. */
function expectBuckets(zone: string, range: { from: number; to: number }, by: Granularity) {
  const buckets = bucketsOf(range, by, zone);
  const wrong: unknown[] = [];
  let end = range.from;
  for (const { from, to, label } of buckets) {
    const begin = at(label);
    const wall = clock(begin, zone);
    const whole = /[+-]\d\d:\d\d$/.test(label);
    const shown = label.slice(0, 19) === `${wall.date}T${wall.time}`;
    // An offset with seconds is written in UTC.
    const inUtc = label === `${new Date(begin / 1000).toISOString().slice(0, 19)}+00:00`;
    const starts = from === range.from ? begin <= from : begin === from;
    if (from !== end || to <= from || !whole || !(shown || inUtc) || !starts)
      wrong.push([place(zone, from), by, label]);
    end = to;
  }
  const labels = new Set(buckets.map(({ label }) => label));
  if (end !== range.to || labels.size !== buckets.length) wrong.push([place(zone, end), by]);
  expect(wrong).toEqual([]);
}

/** One hour and one weekday a piece, those that clocks showed at its begin and at its end. */
function expectClocks(zone: string, range: { from: number; to: number }) {
  const wrong: unknown[] = [];
  for (const step of [HOUR_US, DAY_US]) {
    let end = range.from;
    for (const piece of clockPieces(range, step, zone)) {
      const { hourOfDay, dayOfWeek } = clockOf(piece.localUs);
      const shown = [piece.from, piece.to - 1000].map((us) => clock(us, zone));
      const same = shown.every(
        ({ date, hour }) => weekday(date) === dayOfWeek && (step === DAY_US || hour === hourOfDay),
      );
      if (!same || piece.from !== end || piece.to <= piece.from)
        wrong.push([place(zone, piece.from), step]);
      end = piece.to;
    }
    if (end !== range.to) wrong.push([place(zone, end), step]);
  }
  expect(wrong).toEqual([]);
}

const ZONES = Intl.supportedValuesOf("timeZone");

describe("in every zone, at every change of its clock since 1972", () => {
  // In parts, so that none takes long.
  const parts = Array.from({ length: 8 }, (_, part) => ZONES.filter((_, n) => n % 8 === part));

  it.each(parts.map((zones, part) => [part, zones] as const))(
    "buckets partition the range, labels are moments that existed, and hours and weekdays are those of clocks (part %i)",
    (_, zones) => {
      expect(zones.length).toBeGreaterThan(40);
      for (const zone of zones)
        for (const change of changesOf(zone)) {
          for (const from of [change, change - 90 * MINUTE_US]) {
            const range = { from, to: change + 90 * MINUTE_US };
            expectBuckets(zone, range, "hour");
            expectClocks(zone, range);
          }
          const days = { from: change - DAY_US - HOUR_US, to: change + DAY_US };
          expectBuckets(zone, days, "day");
          // The local day of the change, and those around it: whole, touching, and each with its own date.
          const whole = wholeBuckets({ from: change, to: change + 1 }, "day", zone, 2);
          expect([place(zone, change), whole.length]).toEqual([place(zone, change), 3]);
          expect(whole.every(({ from }, n) => n === 0 || from === whole[n - 1]?.to)).toBe(true);
          const [last] = whole.slice(-1);
          expect((last?.from ?? 0) <= change && (last?.to ?? 0) > change).toBe(true);
          const middle = whole.slice(1, 2);
          expect(completeOf(middle, "day", zone, change + 3 * DAY_US)).toEqual([true]);
        }
    },
  );
});

describe("a zone that moved over the date line", () => {
  it.each([
    ["Pacific/Apia", "2011-12-31", "2011-12-29"],
    ["Pacific/Fakaofo", "2011-12-31", "2011-12-29"],
    ["Pacific/Kwajalein", "1993-08-22", "1993-08-20"],
    ["Pacific/Enderbury", "1995-01-01", "1994-12-30"],
    ["Pacific/Kiritimati", "1995-01-01", "1994-12-30"],
  ])("in %s goes back by days that existed: before %s lies %s", (zone, day, before) => {
    const date = Temporal.PlainDate.from(day);
    const from = startOfDate(date, zone);
    expect(dateOf(from - 1, zone).toString()).toBe(before);
    const days = wholeBuckets({ from, to: from + 1 }, "day", zone, 30);
    expect(days).toHaveLength(31);
    expect(days.slice(-2).map(({ label }) => label.slice(0, 10))).toEqual([before, day]);
    expect(namedRange("last_full_day", from, zone)).toEqual({
      from: startOfDate(Temporal.PlainDate.from(before), zone),
      to: from,
    });
  });
});

it("a range that begins with the change at Lord Howe is labelled with the time that clocks showed", () => {
  const from = at("2019-04-06T15:00:00Z");
  const [first, second] = bucketsOf(
    { from, to: from + 2 * HOUR_US },
    "hour",
    "Australia/Lord_Howe",
  );
  expect(first).toEqual({
    from,
    to: from + HOUR_US / 2,
    label: "2019-04-07T01:30:00+10:30",
  });
  expect(second?.label).toBe("2019-04-07T02:00:00+10:30");
});

it("an offset with seconds, which RFC 3339 cannot write, is written in UTC", () => {
  const range = { from: at("1972-01-06T00:00:00Z"), to: at("1972-01-09T00:00:00Z") };
  expect(bucketsOf(range, "day", "Africa/Monrovia").map(({ label }) => label)).toEqual([
    "1972-01-05T00:44:30+00:00",
    "1972-01-06T00:44:30+00:00",
    "1972-01-07T00:44:30+00:00",
    "1972-01-08T00:00:00+00:00",
  ]);
});

describe("hours and weekdays of a question", () => {
  const W = "clocks";
  let ctx: ReturnType<typeof testContext>;
  const starts: number[] = [];
  const CHANGES: [zone: string, change: string][] = [
    ["America/St_Johns", "2010-11-07T02:31:00Z"],
    ["America/St_Johns", "2010-03-14T03:31:00Z"],
    ["Australia/Lord_Howe", "2019-04-06T15:00:00Z"],
    ["Australia/Lord_Howe", "2019-10-05T15:30:00Z"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z"],
    ["America/Sao_Paulo", "2018-02-18T02:00:00Z"],
    ["America/Sao_Paulo", "2018-11-04T03:00:00Z"],
    ["Africa/Cairo", "2010-09-30T21:00:00Z"],
    ["Asia/Kathmandu", "2020-01-01T00:00:00Z"],
  ];

  beforeAll(async () => {
    await useOwnDatabase();
    ctx = testContext();
    for (const [, change] of CHANGES)
      for (let minute = -150; minute < 150; minute += 7)
        starts.push(at(change) + minute * MINUTE_US);
    await store(
      executionIntake(ctx, W),
      starts.map((us, n) => ({
        id: `c${n}`,
        agent_id: "a",
        user_id: "u",
        status: "success",
        started_at: new Date(us / 1000).toISOString(),
      })),
    );
  });

  const counts = (rows: { group: Record<string, unknown>; values: { executions?: unknown } }[]) =>
    Object.fromEntries(
      rows.map(({ group, values }) => [Object.values(group).join(" "), values.executions]),
    );

  it.each([false, true])(
    "are those of clocks, alone and together, around changes over midnight (rolled up: %s)",
    async (rolled) => {
      if (rolled) for (const unit of ["hour", "day"] as const) await runRollups(ctx, unit);
      for (const [zone, change] of CHANGES) {
        const range = { from: at(change) - 2 * DAY_US, to: at(change) + 2 * DAY_US };
        const inside = starts
          .filter((us) => us >= range.from && us < range.to)
          .map((us) => clock(us, zone));
        const query: Query = { measures: ["executions"], ...range, timezone: zone };
        for (const group_by of [["day_of_week"], ["hour_of_day"], ["day_of_week", "hour_of_day"]]) {
          const expected: Record<string, number> = {};
          for (const { date, hour } of inside) {
            const key = group_by
              .map((name) => (name === "day_of_week" ? weekday(date) : hour))
              .join(" ");
            expected[key] = (expected[key] ?? 0) + 1;
          }
          const { rows } = await runQuery(ctx.db, W, { ...query, group_by, limit: 168 }, range.to);
          expect([zone, change, group_by, counts(rows)]).toEqual([
            zone,
            change,
            group_by,
            expected,
          ]);
        }
      }
    },
  );
});
