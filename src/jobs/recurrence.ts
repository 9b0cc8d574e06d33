import { Cron } from "croner";
import type { Temporal } from "temporal-polyfill";
import { localTimeOf, momentOf } from "../lib/local-time.ts";
import { type EpochUs, HOUR_US, MINUTE_US } from "../lib/time.ts";
import { canonicalZone } from "../lib/zone-offsets.ts";

/**
 * Local times of repeated runs. Days past the end of a month are its last day; the day of a quarter
 * is that of its first month; days of the week count from Monday, 1.
 */
export type Recurrence =
  | { frequency: "daily"; time: string }
  | { frequency: "weekly"; time: string; day_of_week: number }
  | { frequency: "monthly" | "quarterly"; time: string; day_of_month: number }
  | { cron: string };

/**
 * A local time skipped by a DST change is shifted forward by the length of the change; a repeated
 * one uses its first occurrence.
 */
function at(date: Temporal.PlainDate, time: string, timezone: string): EpochUs {
  const [hours, minutes] = time.split(":").map(Number);
  const timeUs = (hours ?? 0) * HOUR_US + (minutes ?? 0) * MINUTE_US;
  return momentOf({ date, timeUs }, timezone);
}

/** Days that can be a run's, from the one of `date` or before it on. */
function* days(
  recurrence: Exclude<Recurrence, { cron: string }>,
  date: Temporal.PlainDate,
): Generator<Temporal.PlainDate> {
  if (recurrence.frequency === "daily")
    for (let day = date; ; day = day.add({ days: 1 })) yield day;
  if (recurrence.frequency === "weekly")
    for (
      let day = date.subtract({ days: (date.dayOfWeek - recurrence.day_of_week + 7) % 7 });
      ;
      day = day.add({ days: 7 })
    )
      yield day;
  const months = recurrence.frequency === "monthly" ? 1 : 3;
  const first = date
    .with({ day: 1 })
    .subtract({ months: recurrence.frequency === "monthly" ? 0 : (date.month - 1) % 3 });
  for (let month = first; ; month = month.add({ months }))
    yield month.with({ day: Math.min(recurrence.day_of_month, month.daysInMonth) });
}

/** Five fields; a sixth, of seconds, would be more often than anything is looked at. */
function cronOf(expression: string, timezone: string): Cron | undefined {
  if (expression.trim().split(/\s+/).length !== 5) return undefined;
  try {
    // It keeps a formatter of each name that it is given.
    return new Cron(expression, { timezone: canonicalZone(timezone), paused: true });
  } catch {
    return undefined;
  }
}

/** The first run after a moment; undefined for an invalid expression or a day that never comes. */
export function nextRun(
  recurrence: Recurrence,
  timezone: string,
  after: EpochUs,
): EpochUs | undefined {
  if ("cron" in recurrence) {
    const next = cronOf(recurrence.cron, timezone)?.nextRun(new Date(Math.floor(after / 1000)));
    return next ? next.getTime() * 1000 : undefined;
  }
  const { date } = localTimeOf(after, timezone);
  // A day earlier: the run of a local day may lie on the other side of a date line.
  for (const day of days(recurrence, date.subtract({ days: 1 }))) {
    const run = at(day, recurrence.time, timezone);
    if (run > after) return run;
  }
  return undefined;
}

/**
 * The last due run, if it or an earlier one has not started, and the next one. By bisection: an
 * outage of years costs as little as one of minutes.
 */
export function dueRun(
  recurrence: Recurrence,
  timezone: string,
  planned: EpochUs,
  now: EpochUs,
): { due: EpochUs; next: EpochUs | undefined } | undefined {
  if (planned > now) return undefined;
  let due = planned;
  let next = nextRun(recurrence, timezone, due);
  // Behind `due` comes the next run by `now`; from `none` on there is no run up to `now`.
  for (let none = now; next !== undefined && next <= now; ) {
    due = next;
    const middle = Math.floor((due + none) / 2);
    const later = nextRun(recurrence, timezone, middle);
    if (later !== undefined && later <= now) next = later;
    else {
      none = middle;
      next = nextRun(recurrence, timezone, due);
    }
  }
  return { due, next };
}
