/** Numbers of users, and the times that their steps took. */
export interface StepCounts {
  /** By the number of steps that a user took. */
  users: readonly number[];
  /** Of those, the users who may still reach a further step. */
  inProgress: readonly number[];
  /** Microseconds from the step before to this one (from 0), of its users, ascending. */
  durationsUs(index: number): Float64Array;
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

/** Value of rank ceil(q n), the rank of the kernel's quantiles, in milliseconds. */
function quantileMs(sortedUs: Float64Array, q: number): number | null {
  const value = sortedUs[Math.max(0, Math.ceil(q * sortedUs.length) - 1)];
  return value === undefined ? null : value / 1000;
}

export const rateOf = (part: number, whole: number) => (whole === 0 ? null : part / whole);

/** From the step before to this one, of the users who reached this one. */
function timeToConvert(counts: StepCounts, index: number) {
  if (index === 0) return null;
  const sorted = counts.durationsUs(index);
  return { median: quantileMs(sorted, 0.5), p90: quantileMs(sorted, 0.9) };
}

export function stepsOf(names: readonly string[], counts: StepCounts): StepResult[] {
  const reached = names.map((_, index) =>
    counts.users.slice(index + 1).reduce((sum, users) => sum + users, 0),
  );
  return names.map((name, index) => {
    const here = reached[index] ?? 0;
    const next = index + 1 < names.length ? (reached[index + 1] ?? 0) : here;
    const open = counts.inProgress[index + 1] ?? 0;
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
      time_to_convert_ms: timeToConvert(counts, index),
    };
  });
}
