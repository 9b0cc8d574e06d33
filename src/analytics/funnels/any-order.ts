import type { EpochUs } from "../../lib/time.ts";
import { instantsOf, type StepInstants } from "./instants.ts";
import { firstFrom, StepMatching } from "./matching.ts";
import { type FunnelRules, type StepTally, stepBits, type UserJourney } from "./rules.ts";
import type { UserOccurrences } from "./unpack.ts";

/**
 * The takers of a step: an occurrence, or (where one instant takes one step) all occurrences of an
 * instant together.
 */
interface StepUnits {
  masks: number[];
  at: EpochUs[];
  /** Index of the unit's first occurrence. */
  occurrence: number[];
  /** Units of each step, in the order of time. */
  ofStep: number[][];
}

function unitsOf(
  { masks }: UserOccurrences,
  { at, first, union }: StepInstants,
  { steps, sameInstant }: FunnelRules,
): StepUnits {
  const ofStep = Array.from({ length: steps }, (): number[] => []);
  const units: StepUnits = { masks: [], at: [], occurrence: [], ofStep };
  const add = (mask: number, time: EpochUs, occurrence: number) => {
    if ((mask & stepBits(steps)) === 0) return;
    for (const [step, list] of ofStep.entries())
      if (mask & (1 << step)) list.push(units.masks.length);
    units.masks.push(mask);
    units.at.push(time);
    units.occurrence.push(occurrence);
  };
  at.forEach((time, index) => {
    const start = first[index] ?? 0;
    if (sameInstant === "does_not") add(union[index] ?? 0, time, start);
    else
      for (let occurrence = start; occurrence < (first[index + 1] ?? 0); occurrence++)
        add(masks[occurrence] ?? 0, time, occurrence);
  });
  return units;
}

/** A search for the most steps that units can take. */
interface Attempt {
  /** The first unit. */
  from: number;
  /** The last instant. */
  last: EpochUs;
  steps: readonly number[];
  /** A unit that takes no part. */
  without?: number;
}

/**
 * The earliest units that take the most steps, each by its own. Sets of units that can be matched
 * are a matroid, so taking each unit that has room, in the order of time, is best at every step
 * (Edmonds 1971).
 */
function bestUnits(
  units: StepUnits,
  { from, last, steps, without }: Attempt,
  tally: StepTally,
): number[] {
  const matching = new StepMatching(units.masks, steps);
  const taken: number[] = [];
  for (let next = from; taken.length < steps.length; ) {
    let found = Number.POSITIVE_INFINITY;
    for (const step of matching.openSteps()) {
      tally.steps++;
      found = Math.min(found, firstFrom(units.ofStep[step] ?? [], next));
    }
    const at = units.at[found];
    if (at === undefined || at > last) break;
    next = found + 1;
    if (found === without) continue;
    matching.add(found);
    taken.push(found);
  }
  return taken;
}

/**
 * The first occurrence that can be the first step of a journey as early and as far as the best.
 * @returns its index among the occurrences of the first step
 */
function entryOf(
  user: UserOccurrences,
  units: StepUnits,
  best: readonly number[],
  { last, steps }: Pick<Attempt, "last" | "steps">,
  tally: StepTally,
): number | undefined {
  const [from = 0] = best;
  const timeOf = (unit: number) => units.at[unit] ?? 0;
  const times = best.map(timeOf);
  const tried = new Set<string>();
  const first = units.ofStep[0]?.find((unit) => {
    const kind = `${timeOf(unit)} ${units.masks[unit]}`;
    if (unit < from || !times.includes(timeOf(unit)) || tried.has(kind)) return false;
    tried.add(kind);
    const attempt = { from, last, steps: steps.slice(1), without: unit };
    const others = bestUnits(units, attempt, tally).map(timeOf);
    const all = [...others, timeOf(unit)].sort((a, b) => a - b);
    return all.length === times.length && all.every((time, index) => time === times[index]);
  });
  if (first === undefined) return undefined;
  const start = units.occurrence[first] ?? 0;
  const entry = user.masks.findIndex((mask, index) => index >= start && (mask & 1) === 1);
  return user.masks.slice(0, entry).filter((mask) => mask & 1).length;
}

/** Last instant of an attempt by the index of its first: the window's end, or an exclusion. */
function attemptEnds({ at, union }: StepInstants, rules: FunnelRules): (index: number) => EpochUs {
  const { steps, windowUs, sameInstant } = rules;
  const excluded = at.flatMap((_, index) => ((union[index] ?? 0) > stepBits(steps) ? [index] : []));
  return (index) => {
    const barrier = at[firstFrom(excluded, index + 1)] ?? Number.POSITIVE_INFINITY;
    // Whole microseconds: the last one before the barrier.
    const open = sameInstant === "counts" ? barrier - 1 : barrier;
    return Math.min((at[index] ?? 0) + windowUs, open);
  };
}

/** Whether an attempt from the latest start may still take a further step. */
function isOpen({ at, union }: StepInstants, rules: FunnelRules, latest: number): boolean {
  const isExcluded = union.some((mask, index) => index > latest && mask > stepBits(rules.steps));
  return (at[latest] ?? 0) + rules.windowUs >= rules.now && !isExcluded;
}

/** @returns undefined if the user did not begin in the range */
export function journeyInAnyOrder(
  user: UserOccurrences,
  rules: FunnelRules,
  tally: StepTally,
): UserJourney | undefined {
  const instants = instantsOf(user);
  const units = unitsOf(user, instants, rules);
  const endOf = attemptEnds(instants, rules);
  const steps = Array.from({ length: rules.steps }, (_, step) => step);
  const unbounded = { from: 0, last: Number.POSITIVE_INFINITY, steps };
  const possible = bestUnits(units, unbounded, tally).length;
  const starts = instants.at.flatMap((time, index) => {
    const isStep = (instants.union[index] ?? 0) & stepBits(rules.steps);
    return time >= rules.from && time < rules.to && isStep ? [index] : [];
  });
  let best: number[] = [];
  let last: EpochUs = 0;
  let from = 0;
  for (const index of starts) {
    const start = instants.at[index] ?? 0;
    while ((units.at[from] ?? start) < start) from++;
    tally.steps++;
    const end = endOf(index);
    const taken = bestUnits(units, { from, last: end, steps }, tally);
    if (taken.length > best.length) {
      best = taken;
      last = end;
    }
    if (best.length === possible) break;
  }
  const latest = starts.at(-1);
  if (latest === undefined) return undefined;
  return {
    level: best.length,
    times: best.map((unit) => units.at[unit] ?? 0),
    entry: entryOf(user, units, best, { last, steps }, tally),
    inProgress: best.length < rules.steps && isOpen(instants, rules, latest),
  };
}
