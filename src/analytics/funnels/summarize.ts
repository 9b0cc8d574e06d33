import type { EpochUs } from "../../lib/time.ts";
import type { Bucket } from "../time/range.ts";

export interface FunnelUser {
  userId: string;
  level: number;
  times: EpochUs[];
  /** Whether the user may still reach a further step. */
  inProgress: boolean;
  property: string | null;
}

export interface StepResult {
  step: number;
  name: string;
  users: number;
  /** Of the users of the first step; null without any. */
  conversion_rate: number | null;
  /** Of the users of the step before; null for the first step. */
  step_conversion_rate: number | null;
  /** Users who reached no further step and whose window has ended; 0 for the last step. */
  dropped_users: number;
  /** Users who may still reach the next step. */
  in_progress_users: number;
  drop_off_rate: number | null;
  /** From the step before to this one; null for the first step or without users. */
  time_to_convert_ms: { median: number | null; p90: number | null } | null;
}

/** Value of rank ceil(q n), the rank of the kernel's quantiles. */
function quantileIn(sorted: readonly number[], q: number): number | null {
  if (sorted.length === 0) return null;
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null;
}

const rateOf = (part: number, whole: number) => (whole === 0 ? null : part / whole);

/** From the step before to this one, of the users who reached this one. */
function timeToConvert(users: readonly FunnelUser[], index: number) {
  if (index === 0) return null;
  const durationsMs = users
    .filter((user) => user.level > index)
    .map(({ times }) => ((times[index] ?? 0) - (times[index - 1] ?? 0)) / 1000)
    .sort((a, b) => a - b);
  return { median: quantileIn(durationsMs, 0.5), p90: quantileIn(durationsMs, 0.9) };
}

export function stepsOf(names: readonly string[], users: readonly FunnelUser[]): StepResult[] {
  const reached = names.map((_, index) => users.filter((user) => user.level > index).length);
  return names.map((name, index) => {
    const here = reached[index] ?? 0;
    const next = index + 1 < names.length ? (reached[index + 1] ?? 0) : here;
    const open = users.filter((user) => user.level === index + 1 && user.inProgress).length;
    const dropped = here - next - open;
    return {
      step: index + 1,
      name,
      users: here,
      conversion_rate: rateOf(here, reached[0] ?? 0),
      step_conversion_rate: index === 0 ? null : rateOf(here, reached[index - 1] ?? 0),
      dropped_users: dropped,
      in_progress_users: open,
      drop_off_rate: rateOf(dropped, here),
      time_to_convert_ms: timeToConvert(users, index),
    };
  });
}

/**
 * Users by the local bucket in which their journey begins: entered and, of those, converted or
 * still in progress.
 */
export function trendOf(users: readonly FunnelUser[], buckets: readonly Bucket[], steps: number) {
  const counts = buckets.map(() => ({ entered: 0, converted: 0, in_progress: 0 }));
  const byStart = [...users].sort((a, b) => (a.times[0] ?? 0) - (b.times[0] ?? 0));
  let index = 0;
  for (const { times, level, inProgress } of byStart) {
    while (index < buckets.length && (times[0] ?? 0) >= (buckets[index]?.to ?? 0)) index++;
    const count = counts[index];
    if (!count) continue;
    count.entered++;
    if (level === steps) count.converted++;
    else if (inProgress) count.in_progress++;
  }
  return buckets.map(({ label }, index) => {
    const { entered = 0, converted = 0, in_progress = 0 } = counts[index] ?? {};
    const conversion_rate = rateOf(converted, entered);
    return { bucket: label, entered, converted, in_progress, conversion_rate };
  });
}

const MAX_BREAKDOWN = 50;

/** The steps for each value of the property; values past the 50 most frequent are `other`. */
export function breakdownOf(names: readonly string[], users: readonly FunnelUser[]) {
  const groups = new Map<string | null, FunnelUser[]>();
  for (const user of users) {
    const group = groups.get(user.property) ?? [];
    group.push(user);
    groups.set(user.property, group);
  }
  const ordered = [...groups].sort(
    ([a, ofA], [b, ofB]) => ofB.length - ofA.length || String(a).localeCompare(String(b)),
  );
  const kept = ordered
    .slice(0, MAX_BREAKDOWN)
    .map(([value, group]) => ({ value, other: false, steps: stepsOf(names, group) }));
  const rest = ordered.slice(MAX_BREAKDOWN).flatMap(([, group]) => group);
  if (rest.length === 0) return kept;
  return [...kept, { value: null, other: true, steps: stepsOf(names, rest) }];
}
