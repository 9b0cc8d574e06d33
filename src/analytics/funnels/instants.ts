import type { EpochUs } from "../../lib/time.ts";
import type { UserOccurrences } from "./unpack.ts";

/** The occurrences of a user by their instants, in order. Those of one instant are a set. */
export interface StepInstants {
  at: EpochUs[];
  /** Index of the first occurrence of each instant; one more at the end. */
  first: number[];
  /** The masks of each instant, joined. */
  union: number[];
}

export function instantsOf({ times, masks }: UserOccurrences): StepInstants {
  const at: EpochUs[] = [];
  const first: number[] = [];
  const union: number[] = [];
  let last = -1;
  for (let index = 0; index < times.length; index++) {
    const mask = masks[index] ?? 0;
    const time = times[index] ?? 0;
    if (time === at[last]) union[last] = (union[last] ?? 0) | mask;
    else {
      last = at.push(time) - 1;
      first.push(index);
      union.push(mask);
    }
  }
  first.push(times.length);
  return { at, first, union };
}

/** Lists of one mask, by it: almost all instants have one occurrence. */
const alone: (readonly number[])[] = [];

/**
 * Masks of the occurrences of an instant, each as often as it can matter: at most once a step.
 * @param first index of the first occurrence, `end` of the one after the last
 */
export function choicesOf(
  masks: readonly number[],
  first: number,
  end: number,
  steps: number,
): readonly number[] {
  if (end - first === 1) {
    const mask = masks[first] ?? 0;
    alone[mask] ??= [mask];
    return alone[mask];
  }
  const counts = new Map<number, number>();
  const choices: number[] = [];
  for (let index = first; index < end; index++) {
    const mask = masks[index] ?? 0;
    const count = counts.get(mask) ?? 0;
    if (count === steps) continue;
    counts.set(mask, count + 1);
    choices.push(mask);
  }
  return choices;
}

/**
 * The number of steps from `level` on that can be given occurrences of their own: augmenting paths (Kuhn
 * 1955).
 */
export function stepsWithin(choices: readonly number[], level: number, steps: number): number {
  const [only] = choices;
  if (choices.length === 1) return level < steps && (only ?? 0) & (1 << level) ? 1 : 0;
  const stepOf = new Map<number, number>();
  const assign = (step: number, tried: Set<number>): boolean =>
    choices.some((mask, index) => {
      if ((mask & (1 << step)) === 0 || tried.has(index)) return false;
      tried.add(index);
      const holder = stepOf.get(index);
      if (holder !== undefined && !assign(holder, tried)) return false;
      stepOf.set(index, step);
      return true;
    });
  let reached = level;
  while (reached < steps && assign(reached, new Set())) reached++;
  return reached - level;
}
