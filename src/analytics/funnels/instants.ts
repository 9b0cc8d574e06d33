import type { EpochUs } from "../../lib/time.ts";
import type { UserOccurrences } from "./occurrences.ts";

/** The moments of a user by their instants, in the order of time. Moments of one instant are a set. */
export interface StepInstants {
  at: EpochUs[];
  /** Place of the first moment of each instant; one more at the end. */
  first: number[];
  /** What the moments of each instant are together. */
  union: number[];
}

export function instantsOf({ times, masks }: UserOccurrences): StepInstants {
  const [at, first, union]: [EpochUs[], number[], number[]] = [[], [], []];
  times.forEach((time, index) => {
    const mask = masks[index] ?? 0;
    const last = at.length - 1;
    if (time === at[last]) union[last] = (union[last] ?? 0) | mask;
    else {
      at.push(time);
      first.push(index);
      union.push(mask);
    }
  });
  first.push(times.length);
  return { at, first, union };
}

/** Masks of an instant, each as often as it can matter: no more than there are steps. */
export function choicesOf(
  masks: readonly number[],
  first: number,
  end: number,
  steps: number,
): number[] {
  if (end - first === 1) return [masks[first] ?? 0];
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

/** How many steps from `level` on can be given moments of their own: augmenting paths (Kuhn 1955). */
export function stepsWithin(choices: readonly number[], level: number, steps: number): number {
  const [only] = choices;
  if (choices.length === 1) return level < steps && (only ?? 0) & (1 << level) ? 1 : 0;
  const taken = new Map<number, number>();
  const place = (step: number, tried: Set<number>): boolean =>
    choices.some((mask, index) => {
      if ((mask & (1 << step)) === 0 || tried.has(index)) return false;
      tried.add(index);
      const holder = taken.get(index);
      if (holder !== undefined && !place(holder, tried)) return false;
      taken.set(index, step);
      return true;
    });
  let reached = level;
  while (reached < steps && place(reached, new Set())) reached++;
  return reached - level;
}
