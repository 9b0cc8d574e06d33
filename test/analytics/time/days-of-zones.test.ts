import { beforeAll, describe, expect, it } from "vitest";
import { MEASURE_NAMES } from "../../../src/analytics/catalog/measures.ts";
import { bucketsOf } from "../../../src/analytics/time/range.ts";
import { DAY_US, HOUR_US } from "../../../src/lib/time.ts";
import { all, ask, at, CHANGES, expectValues, fillKernel, within } from "../../support/kernel.ts";
import { startOf } from "../../support/oracle.ts";

beforeAll(fillKernel);

describe("days of a zone, over both clock changes", () => {
  it.each([
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/New_York",
    "Europe/Berlin",
    "UTC",
  ])("equal the raw rows in %s and add up to them", async (timezone) => {
    for (const start of CHANGES) {
      const [from, to] = [at(start) - 5 * HOUR_US, at(start) + 4 * DAY_US + 1_234_567];
      const answer = await ask({ measures: MEASURE_NAMES, from, to, timezone, granularity: "day" });
      const days = bucketsOf({ from, to }, "day", timezone);
      expect(answer.rows.map((row) => row.bucket)).toEqual(days.map((day) => day.label));
      for (const [index, day] of days.entries())
        expectValues(answer.rows[index]?.values ?? {}, within(all, day.from, day.to));
      expectValues(answer.totals, within(all, from, to));
      expect(answer.rows.reduce((sum, row) => sum + Number(row.values.executions), 0)).toBe(
        within(all, from, to).length,
      );
    }
  });

  it.each(["Asia/Kolkata", "Australia/Lord_Howe", "America/New_York"])(
    "have their hours and days of the week in %s",
    async (timezone) => {
      const [from, to] = [at(CHANGES[0] ?? ""), at(CHANGES[5] ?? "") + 4 * DAY_US];
      for (const dimension of ["hour_of_day", "day_of_week"] as const) {
        const answer = await ask({
          measures: ["executions", "duration_p95", "active_users"],
          from,
          to,
          timezone,
          group_by: [dimension],
        });
        const format = new Intl.DateTimeFormat("en-GB", {
          timeZone: timezone,
          hour: "2-digit",
          hourCycle: "h23",
          weekday: "short",
        });
        const clocks = new Map(
          all.map((row) => {
            const parts = format.formatToParts(new Date(startOf(row) / 1000));
            const part = (type: string) => parts.find((each) => each.type === type)?.value ?? "";
            const weekday =
              ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].indexOf(part("weekday")) + 1;
            return [row.id, dimension === "hour_of_day" ? Number(part("hour")) : weekday];
          }),
        );
        expect(new Set(answer.rows.map((row) => row.group[dimension]))).toEqual(
          new Set(clocks.values()),
        );
        for (const row of answer.rows)
          expectValues(
            row.values,
            all.filter((each) => clocks.get(each.id) === row.group[dimension]),
            ["executions", "duration_p95", "active_users"],
          );
      }
    },
  );
});
