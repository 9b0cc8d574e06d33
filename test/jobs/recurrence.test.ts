import { describe, expect, it } from "vitest";
import { dueRun, nextRun, type Recurrence } from "../../src/jobs/recurrence.ts";
import { localDate, plusDays } from "../support/days.ts";

const us = (iso: string) => Date.parse(iso) * 1000;
const [FIRST, LAST] = [us("2025-01-01T00:00:00Z"), us("2035-01-01T00:00:00Z")];
const ZONES = [
  "UTC",
  "Asia/Kolkata",
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "Pacific/Apia",
  "America/St_Johns",
];

function runs(recurrence: Recurrence, timezone: string): number[] {
  const list: number[] = [];
  for (
    let at = nextRun(recurrence, timezone, FIRST);
    at !== undefined && at < LAST;
    at = nextRun(recurrence, timezone, at)
  )
    list.push(at);
  return list;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** Local wall clock by Intl, which shares nothing with Temporal or the library of cron expressions. */
function clockOf(at: number, timeZone: string): string {
  const clock =
    clocks.get(timeZone) ??
    new Intl.DateTimeFormat("en-GB", {
      timeZone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  clocks.set(timeZone, clock);
  return clock.format(new Date(at / 1000));
}

/** Whether a local time does not exist on a date: no quarter of an hour of the three days around it shows it (clocks change by halves and wholes). */
function isLeftOut(date: string, time: string, timeZone: string): boolean {
  for (
    let minute = Date.parse(plusDays(date, -1));
    minute < Date.parse(plusDays(date, 2));
    minute += 900_000
  )
    if (
      clockOf(minute * 1000, timeZone) === time &&
      localDate(new Date(minute).toISOString(), timeZone) === date
    )
      return false;
  return true;
}

const dates = (list: number[], zone: string) =>
  list.map((at) => localDate(new Date(at / 1000).toISOString(), zone));

function expectClock(list: number[], zone: string, time: string) {
  for (const at of list) {
    const clock = clockOf(at, zone);
    if (clock === time) continue;
    const date = localDate(new Date(at / 1000).toISOString(), zone);
    expect([zone, date, clock, isLeftOut(date, time, zone)]).toEqual([zone, date, clock, true]);
    expect(clock > time).toBe(true);
  }
}

describe.each(ZONES)("over ten years in %s", (zone) => {
  it.each(["00:00", "02:30", "23:45"])("a daily run at %s comes once on every date", (time) => {
    const list = runs({ frequency: "daily", time }, zone);
    const found = dates(list, zone);
    found.forEach((date, index) => {
      if (index > 0) expect(date).toBe(plusDays(found[index - 1] ?? "", 1));
    });
    expect(found.length).toBeGreaterThan(3650);
    expectClock(list, zone, time);
  });

  it("a cron expression of a day comes once on every date", () => {
    const list = runs({ cron: "30 2 * * *" }, zone);
    const found = dates(list, zone);
    found.forEach((date, index) => {
      if (index > 0) expect(date).toBe(plusDays(found[index - 1] ?? "", 1));
    });
    expect(found.length).toBeGreaterThan(3650);
    expectClock(list, zone, "02:30");
  });

  it("a weekly run comes once in every week, on its day", () => {
    for (const day of [1, 7]) {
      const found = dates(
        runs({ frequency: "weekly", time: "02:15", day_of_week: day }, zone),
        zone,
      );
      found.forEach((date, index) => {
        expect((new Date(date).getUTCDay() + 6) % 7).toBe(day - 1);
        if (index > 0) expect(date).toBe(plusDays(found[index - 1] ?? "", 7));
      });
      expect(found.length).toBeGreaterThan(520);
    }
  });

  it.each([1, 29, 31])(
    "a monthly run on day %i comes in every month, at the latest on its last day",
    (day) => {
      const found = dates(
        runs({ frequency: "monthly", time: "02:30", day_of_month: day }, zone),
        zone,
      );
      const expected: string[] = [];
      for (let month = 0; month < 121; month++) {
        const last = new Date(Date.UTC(2025, month + 1, 0)).getUTCDate();
        expected.push(
          new Date(Date.UTC(2025, month, Math.min(day, last))).toISOString().slice(0, 10),
        );
      }
      expect(found).toEqual(
        expected.filter((date) => date >= (found[0] ?? "") && date <= (found.at(-1) ?? "")),
      );
      expect(found.length).toBeGreaterThanOrEqual(119);
    },
  );

  it("a quarterly run comes in the first month of every quarter", () => {
    const found = dates(
      runs({ frequency: "quarterly", time: "09:00", day_of_month: 31 }, zone),
      zone,
    );
    expect(found.map((date) => date.slice(5))).toEqual(
      Array.from({ length: 10 }, () => ["01-31", "04-30", "07-31", "10-31"]).flat(),
    );
  });
});

describe("runs that are due", () => {
  const daily: Recurrence = { frequency: "daily", time: "06:00" };

  it("do not come before their time", () => {
    expect(
      dueRun(daily, "UTC", us("2026-05-02T06:00:00Z"), us("2026-05-02T05:59:59Z")),
    ).toBeUndefined();
  });

  it("come with the next one, also when looked at late", () => {
    const [planned, next] = [us("2026-05-02T06:00:00Z"), us("2026-05-03T06:00:00Z")];
    for (const now of ["2026-05-02T06:00:00Z", "2026-05-02T06:04:59Z", "2026-05-03T05:59:59Z"])
      expect(dueRun(daily, "UTC", planned, us(now))).toEqual({ due: planned, next });
  });

  it("that were missed together are one: the last", () => {
    for (const [planned, now] of [
      ["2026-05-02T06:00:00Z", "2026-05-05T07:00:00Z"],
      ["2024-05-02T06:00:00Z", "2026-05-05T07:00:00Z"],
    ] as const)
      expect(dueRun(daily, "UTC", us(planned), us(now))).toEqual({
        due: us("2026-05-05T06:00:00Z"),
        next: us("2026-05-06T06:00:00Z"),
      });
    const yearly: Recurrence = { cron: "0 0 29 2 *" };
    expect(dueRun(yearly, "UTC", us("2024-02-29T00:00:00Z"), us("2030-01-01T00:00:00Z"))).toEqual({
      due: us("2028-02-29T00:00:00Z"),
      next: us("2032-02-29T00:00:00Z"),
    });
  });

  it("of an expression that never fires, or cannot be parsed, do not exist", () => {
    for (const cron of ["0 0 30 2 *", "61 * * * *", "every day at", "* * * *", "0 0 1 1 1 1"])
      expect(nextRun({ cron }, "UTC", FIRST)).toBeUndefined();
  });
});
