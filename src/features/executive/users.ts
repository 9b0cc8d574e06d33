import { compareValues } from "../../analytics/result/compare.ts";
import { comparedRange } from "../../analytics/time/compared-range.ts";
import { wholeBuckets } from "../../analytics/time/range.ts";
import { MONTH_DAYS, userLifecycle } from "../../analytics/users/lifecycle.ts";
import type { KeyFigure } from "./figures.ts";
import { type ExecutiveQuestion, usersLink } from "./questions.ts";

/**
 * Users of the period before and of the range, day by day. A range that begins within a day touches
 * one day more than its length, and so does the period before it.
 */
export function usersQuery({ workspaceId, base }: ExecutiveQuestion) {
  const { timezone } = base;
  const [first] = wholeBuckets(base, "day", timezone);
  const start = first?.from ?? base.from;
  const compared = comparedRange(base, "previous_period", timezone, base.to);
  const before = wholeBuckets(compared, "day", timezone).filter((day) => day.from < start).length;
  const lead = before + (start === base.from ? 0 : 1);
  const days = wholeBuckets(base, "day", timezone, MONTH_DAYS + lead);
  return userLifecycle(workspaceId, days, timezone);
}

type LifecycleDays = ReturnType<ReturnType<typeof userLifecycle>["finish"]>["days"];

/**
 * The days that are judged and those to compare them with: the days of the range that have ended,
 * and as many before it. If the range has not ended they are the first days of the period before,
 * else the last ones. Without a day that has ended there is nothing to compare with.
 */
function comparableDays(days: LifecycleDays, { base, now }: ExecutiveQuestion) {
  const asked = wholeBuckets(base, "day", base.timezone);
  const start = days.length - asked.length;
  const ended = asked.filter((day) => day.to <= now).length;
  if (ended === 0) {
    const begun = asked.filter((day) => day.from <= now).length;
    return { current: days.slice(start, start + begun), before: undefined };
  }
  const previous = days.slice(0, start);
  return {
    current: days.slice(start, start + ended),
    before: base.to > now ? previous.slice(0, ended) : previous.slice(-ended),
  };
}

/**
 * Figures of the last day against its counterpart in the period before, and sums of the days
 * against the sums of that period.
 */
export function usersOf({ days }: { days: LifecycleDays }, question: ExecutiveQuestion) {
  const { current, before } = comparableDays(days, question);
  const query = usersLink(question);
  const figureOf = (
    value: number | null,
    previous: number | null,
    good: "up" | "down",
  ): KeyFigure => ({ value, ...compareValues(value, previous), good, query });
  const last = (name: "dau" | "wau" | "mau" | "stickiness") =>
    figureOf(current.at(-1)?.[name] ?? null, before?.at(-1)?.[name] ?? null, "up");
  const sum = (name: "new" | "resurrected" | "dormant", good: "up" | "down") => {
    const total = (list: LifecycleDays) => list.reduce((all, day) => all + day[name], 0);
    return figureOf(total(current), before ? total(before) : null, good);
  };
  return {
    day: current.at(-1)?.day ?? null,
    complete: before !== undefined,
    dau: last("dau"),
    wau: last("wau"),
    mau: last("mau"),
    stickiness: last("stickiness"),
    new_users: sum("new", "up"),
    resurrected_users: sum("resurrected", "up"),
    dormant_users: sum("dormant", "down"),
  };
}
