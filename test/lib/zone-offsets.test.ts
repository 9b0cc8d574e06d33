import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, it, vi } from "vitest";
import { nextRun } from "../../src/jobs/recurrence.ts";
import { localTimeOf, momentOf } from "../../src/lib/local-time.ts";
import { DAY_US, HOUR_US, MINUTE_US, SECOND_US } from "../../src/lib/time.ts";
import { isTimeZone, offsetAt, stretchesOf } from "../../src/lib/zone-offsets.ts";

const FROM = Date.UTC(1900, 0, 1) * 1000;
const TO = Date.UTC(2200, 0, 1) * 1000;
const ZONES = [
  "UTC",
  "Pacific/Apia",
  "Australia/Lord_Howe",
  "America/St_Johns",
  "Asia/Kolkata",
  "Africa/Casablanca",
  "Europe/Dublin",
  "Antarctica/Troll",
  "America/New_York",
  "Asia/Pyongyang",
  "Pacific/Kwajalein",
  "America/Noronha",
  "Asia/Gaza",
  "Africa/Monrovia",
  "America/Sao_Paulo",
];

const zonedOf = (us: number, zone: string) =>
  Temporal.Instant.fromEpochNanoseconds(BigInt(us) * 1000n).toZonedDateTimeISO(zone);
const usOf = (time: { epochNanoseconds: bigint }) => Number(time.epochNanoseconds / 1000n);

/** The changes of a zone's clock as Temporal knows them, each with the offset that it brought. */
function changesOf(zone: string): [us: number, offsetUs: number][] {
  const changes: [number, number][] = [];
  let zoned = zonedOf(FROM, zone);
  for (;;) {
    const next = zoned.getTimeZoneTransition("next");
    if (!next || usOf(next) >= TO) return changes;
    changes.push([usOf(next), next.offsetNanoseconds / 1000]);
    zoned = next;
  }
}

/** The reading of clocks; and of that day and its neighbours, the same time of day and the begin. */
function expectClock(us: number, zone: string) {
  const zoned = zonedOf(us, zone);
  const [day, clock] = [zoned.toPlainDate(), zoned.toPlainTime()];
  const local = localTimeOf(us, zone);
  const time = Temporal.PlainTime.from("00:00").add({ microseconds: local.timeUs });
  expect([zone, us, local.date.toString(), time.toString(), offsetAt(us, zone)]).toEqual([
    ...[zone, us, day.toString(), clock.toString()],
    zoned.offsetNanoseconds / 1000,
  ]);
  for (const days of [-1, 0, 1]) {
    const date = day.add({ days });
    const moments = [
      momentOf({ date, timeUs: local.timeUs }, zone),
      momentOf({ date, timeUs: 0 }, zone, "change"),
    ];
    expect([zone, us, date.toString(), ...moments]).toEqual([
      ...[zone, us, date.toString()],
      usOf(date.toZonedDateTime({ timeZone: zone, plainTime: clock })),
      usOf(date.toZonedDateTime(zone)),
    ]);
  }
}

describe.each(ZONES)("from 1900 to 2200 in %s", (zone) => {
  const changes = changesOf(zone);

  it("the changes of the clock are those that Temporal knows", () => {
    const stretches = [...stretchesOf({ from: FROM, to: TO }, zone)];
    expect(stretches.slice(1).map(({ from, offsetUs }) => [from, offsetUs])).toEqual(changes);
    expect(stretches.map(({ to }) => to)).toEqual([...changes.map(([us]) => us), TO]);
  });

  it("moments and local times around every change become each other as in Temporal", () => {
    const around = [SECOND_US, 30 * MINUTE_US, HOUR_US, DAY_US].flatMap((by) => [by, -by]);
    for (const [change] of changes)
      for (const by of [0, -1, ...around]) expectClock(change + by, zone);
  });
});

it("In every zone, any moment and its local time become each other as in Temporal", () => {
  const us = fc.integer({ min: FROM / SECOND_US, max: TO / SECOND_US }).map((s) => s * SECOND_US);
  const zone = fc.constantFrom(...Intl.supportedValuesOf("timeZone"));
  fc.assert(fc.property(us, zone, expectClock), { numRuns: 1_000 });
});

it("A part of a range has the stretches of the whole, cut where it begins and ends", () => {
  const moment = fc.integer({ min: FROM, max: TO });
  fc.assert(
    fc.property(moment, moment, fc.constantFrom(...ZONES), (one, other, zone) => {
      const range = { from: Math.min(one, other), to: Math.max(one, other) };
      const expected = [...stretchesOf({ from: FROM, to: TO }, zone)].flatMap((stretch) => {
        const from = Math.max(stretch.from, range.from);
        const to = Math.min(stretch.to, range.to);
        return to > from ? [{ ...stretch, from, to }] : [];
      });
      expect([...stretchesOf(range, zone)]).toEqual(expected);
    }),
    { numRuns: 200 },
  );
});

describe("a name of a time zone", () => {
  it.each(["Asia/Kolkata", "Asia/Calcutta", "asia/KOLKATA", "utc", "EST", "Etc/GMT+5", "Zulu"])(
    "may be %s",
    (name) => {
      expect(isTimeZone(name)).toBe(true);
    },
  );

  it.each([
    ...["", "+05:30", "IST", "PST", "Z", "Mars/Olympus", "Asia/Kolkata ", "GMT+05:30"],
    // A Kelvin sign and a dotless i, whose capitals (or small letters) are those of the name.
    ...["Asia/\u212aolkata", "As\u0131a/Kolkata"],
  ])("is not %j", (name) => {
    expect(isTimeZone("Asia/Kolkata")).toBe(true);
    expect(isTimeZone(name)).toBe(false);
    expect(() => offsetAt(0, name)).toThrow(RangeError);
  });

  it("and another one of the same zone have the same offsets", () => {
    for (const [name, other] of [
      ["Asia/Kolkata", "ASIA/CALCUTTA"],
      ["America/Argentina/Buenos_Aires", "america/buenos_aires"],
    ] as const)
      expect([...stretchesOf({ from: FROM, to: TO }, name)]).toEqual([
        ...stretchesOf({ from: FROM, to: TO }, other),
      ]);
  });

  it("has one formatter, and one of cron schedules, in whatever letters it is written", () => {
    const use = (name: string) => [isTimeZone(name), nextRun({ cron: "0 6 * * *" }, name, FROM)];
    const known = use("Pacific/Chatham");
    const made = vi.spyOn(Intl, "DateTimeFormat");
    try {
      for (let letter = 0; letter < "pacific/chatham".length; letter++) {
        const name = [..."pacific/chatham"]
          .map((each, index) => (index === letter ? each.toUpperCase() : each))
          .join("");
        expect(use(name)).toEqual(known);
      }
      expect(made).not.toHaveBeenCalled();
    } finally {
      made.mockRestore();
    }
  });
});
