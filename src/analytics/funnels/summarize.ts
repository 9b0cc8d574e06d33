import type { EpochUs } from "../../lib/time.ts";
import type { Bucket } from "../time/range.ts";

export interface FunnelUser {
  userId: string;
  level: number;
  times: EpochUs[];
  /** Whether the user may still come further than this. */
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
  /** Users who came here and no further, though their time is over; 0 for the last step. */
  dropped_users: number;
  /** Users who came here and may still come further. */
  in_progress_users: number;
  drop_off_rate: number | null;
  /** From the step before to this one; null for the first step or without users. */
  time_to_convert_ms: { median: number | null; p90: number | null } | null;
}

/** Value at rank ceil(q n), as everywhere in the product. */
function quantile(sorted: readonly number[], q: number): number | null {
  return sorted.length === 0
    ? null
    : (sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? null);
}

const rate = (part: number, whole: number) => (whole === 0 ? null : part / whole);

export function stepsOf(names: readonly string[], travellers: readonly FunnelUser[]): StepResult[] {
  const users = names.map((_, index) => travellers.filter((each) => each.level > index).length);
  return names.map((name, index) => {
    const here = users[index] ?? 0;
    const next = index + 1 < names.length ? (users[index + 1] ?? 0) : here;
    const open = travellers.filter((each) => each.level === index + 1 && each.inProgress).length;
    const dropped = here - next - open;
    const took = travellers
      .filter((each) => each.level > index)
      .map(({ times }) => ((times[index] ?? 0) - (times[index - 1] ?? 0)) / 1000)
      .sort((a, b) => a - b);
    return {
      step: index + 1,
      name,
      users: here,
      conversion_rate: rate(here, users[0] ?? 0),
      step_conversion_rate: index === 0 ? null : rate(here, users[index - 1] ?? 0),
      dropped_users: dropped,
      in_progress_users: open,
      drop_off_rate: rate(dropped, here),
      time_to_convert_ms:
        index === 0 ? null : { median: quantile(took, 0.5), p90: quantile(took, 0.9) },
    };
  });
}

/** Users by the local bucket in which their journey begins: entered and, of those, converted or still on their way. */
export function trendOf(
  travellers: readonly FunnelUser[],
  buckets: readonly Bucket[],
  steps: number,
) {
  const counts = buckets.map(() => ({ entered: 0, converted: 0, in_progress: 0 }));
  const begun = [...travellers].sort((a, b) => (a.times[0] ?? 0) - (b.times[0] ?? 0));
  let index = 0;
  for (const { times, level, inProgress } of begun) {
    while (index < buckets.length && (times[0] ?? 0) >= (buckets[index]?.to ?? 0)) index++;
    const count = counts[index];
    if (!count) continue;
    count.entered++;
    if (level === steps) count.converted++;
    else if (inProgress) count.in_progress++;
  }
  return buckets.map(({ label }, index) => {
    const { entered = 0, converted = 0, in_progress = 0 } = counts[index] ?? {};
    const conversion_rate = rate(converted, entered);
    return { bucket: label, entered, converted, in_progress, conversion_rate };
  });
}

const MAX_BREAKDOWN = 50;

/** The same steps for each value of the property; those past the 50 most frequent are one group, `other`. */
export function breakdownOf(names: readonly string[], travellers: readonly FunnelUser[]) {
  const groups = new Map<string | null, FunnelUser[]>();
  for (const each of travellers) {
    const group = groups.get(each.property) ?? [];
    group.push(each);
    groups.set(each.property, group);
  }
  const order = [...groups].sort(
    ([a, x], [b, y]) => y.length - x.length || String(a).localeCompare(String(b)),
  );
  const kept = order
    .slice(0, MAX_BREAKDOWN)
    .map(([value, list]) => ({ value, other: false, steps: stepsOf(names, list) }));
  const rest = order.slice(MAX_BREAKDOWN).flatMap(([, list]) => list);
  return rest.length === 0
    ? kept
    : [...kept, { value: null, other: true, steps: stepsOf(names, rest) }];
}
