import type { EpochUs } from "../../lib/time.ts";
import { instantsOf, type StepInstants } from "./instants.ts";
import type { UserOccurrences } from "./occurrences.ts";
import { type FunnelRules, type StepTally, stepBits, type UserJourney } from "./rules.ts";

/** What a step can be taken by: a moment, or (where one instant takes one step) all moments of an instant together. */
interface Units {
  masks: number[];
  at: EpochUs[];
  /** Place of the unit's first moment. */
  moment: number[];
  /** Units of each step, in the order of time. */
  of: number[][];
}

function unitsOf(
  { masks }: UserOccurrences,
  { at, first, union }: StepInstants,
  rules: FunnelRules,
): Units {
  const units: Units = { masks: [], at: [], moment: [], of: [] };
  for (let step = 0; step < rules.steps; step++) units.of.push([]);
  const add = (mask: number, time: EpochUs, moment: number) => {
    if ((mask & stepBits(rules.steps)) === 0) return;
    for (let step = 0; step < rules.steps; step++)
      if (mask & (1 << step)) units.of[step]?.push(units.masks.length);
    units.masks.push(mask);
    units.at.push(time);
    units.moment.push(moment);
  };
  at.forEach((time, index) => {
    const begin = first[index] ?? 0;
    if (rules.sameInstant === "does_not") add(union[index] ?? 0, time, begin);
    else
      for (let moment = begin; moment < (first[index + 1] ?? 0); moment++)
        add(masks[moment] ?? 0, time, moment);
  });
  return units;
}

/** The first of ascending numbers that is not below another. */
function firstFrom(list: readonly number[], least: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] ?? 0) < least) low = middle + 1;
    else high = middle;
  }
  return list[low] ?? Number.POSITIVE_INFINITY;
}

/** Steps with a unit each; a further unit is taken in where the others can make room (augmenting paths, Kuhn 1955). */
class Matching {
  private readonly masks: readonly number[];
  private readonly holders = new Map<number, number | undefined>();

  constructor(masks: readonly number[], steps: readonly number[]) {
    this.masks = masks;
    for (const step of steps) this.holders.set(step, undefined);
  }

  /** The steps that a further unit could take: free ones, and those whose holder could move on to one. */
  open(): number[] {
    let open = 0;
    for (let before = -1; before !== open; ) {
      before = open;
      for (const [step, holder] of this.holders)
        if (holder === undefined || (this.masks[holder] ?? 0) & open) open |= 1 << step;
    }
    return [...this.holders.keys()].filter((step) => open & (1 << step));
  }

  /** @returns whether there was room */
  take(unit: number, tried = new Set<number>()): boolean {
    for (const [step, holder] of this.holders) {
      if (((this.masks[unit] ?? 0) & (1 << step)) === 0 || tried.has(step)) continue;
      tried.add(step);
      if (holder !== undefined && !this.take(holder, tried)) continue;
      this.holders.set(step, unit);
      return true;
    }
    return false;
  }
}

/**
 * The most steps that units from one on can take, each by its own, and the earliest units that do: the sets of units that can be
 * matched are a matroid, so taking each that has room, in the order of time, is best at every step (Edmonds 1971).
 * @param without a unit that takes no part
 */
function walk(
  units: Units,
  from: number,
  last: EpochUs,
  steps: readonly number[],
  tally: StepTally,
  without?: number,
): number[] {
  const matching = new Matching(units.masks, steps);
  const taken: number[] = [];
  for (let next = from; taken.length < steps.length; ) {
    let found = Number.POSITIVE_INFINITY;
    for (const step of matching.open()) {
      tally.steps++;
      found = Math.min(found, firstFrom(units.of[step] ?? [], next));
    }
    const at = units.at[found];
    if (at === undefined || at > last) break;
    next = found + 1;
    if (found === without) continue;
    matching.take(found);
    taken.push(found);
  }
  return taken;
}

/** The first moment that can be the first step of a journey as early and as far as the best. */
function entryOf(
  user: UserOccurrences,
  units: Units,
  best: readonly number[],
  last: EpochUs,
  steps: readonly number[],
  tally: StepTally,
): number | undefined {
  const [from = 0] = best;
  const at = (unit: number) => units.at[unit] ?? 0;
  const times = best.map(at);
  const tried = new Set<string>();
  const first = units.of[0]?.find((unit) => {
    const kind = `${at(unit)} ${units.masks[unit]}`;
    if (unit < from || !times.includes(at(unit)) || tried.has(kind)) return false;
    tried.add(kind);
    const others = walk(units, from, last, steps.slice(1), tally, unit).map(at);
    const all = [...others, at(unit)].sort((a, b) => a - b);
    return all.length === times.length && all.every((time, index) => time === times[index]);
  });
  if (first === undefined) return undefined;
  const place = units.moment[first] ?? 0;
  const moment = user.masks.findIndex((mask, index) => index >= place && (mask & 1) === 1);
  return user.masks.slice(0, moment).filter((mask) => mask & 1).length;
}

/** The last moment of an attempt from each instant: the end of its window, or what excludes further steps. */
function endOf({ at, union }: StepInstants, rules: FunnelRules): (index: number) => EpochUs {
  const { steps, windowUs, sameInstant } = rules;
  const excluded = at.flatMap((_, index) => ((union[index] ?? 0) > stepBits(steps) ? [index] : []));
  return (index) => {
    const barrier = at[firstFrom(excluded, index + 1)] ?? Number.POSITIVE_INFINITY;
    // Whole microseconds: the last one before the barrier.
    const open = sameInstant === "counts" ? barrier - 1 : barrier;
    return Math.min((at[index] ?? 0) + windowUs, open);
  };
}

/** How far a user came in any order, or undefined for one who never began in the range. */
export function journeyInAnyOrder(
  user: UserOccurrences,
  rules: FunnelRules,
  tally: StepTally,
): UserJourney | undefined {
  const { steps, from, to, now } = rules;
  const instants = instantsOf(user);
  const units = unitsOf(user, instants, rules);
  const end = endOf(instants, rules);
  const all = Array.from({ length: steps }, (_, step) => step);
  const possible = walk(units, 0, Number.POSITIVE_INFINITY, all, tally).length;
  const starts = instants.at.flatMap((time, index) =>
    time >= from && time < to && (instants.union[index] ?? 0) & stepBits(steps) ? [index] : [],
  );
  let [best, last]: [number[], EpochUs] = [[], 0];
  let unit = 0;
  for (const index of starts) {
    const begun = instants.at[index] ?? 0;
    while ((units.at[unit] ?? begun) < begun) unit++;
    tally.steps++;
    const taken = walk(units, unit, end(index), all, tally);
    if (taken.length > best.length) [best, last] = [taken, end(index)];
    if (best.length === possible) break;
  }
  const latest = starts.at(-1);
  if (latest === undefined) return undefined;
  const excludedAfter = instants.union.some(
    (mask, index) => index > latest && mask > stepBits(steps),
  );
  const windowEnd = (instants.at[latest] ?? 0) + rules.windowUs;
  return {
    level: best.length,
    times: best.map((each) => units.at[each] ?? 0),
    entry: entryOf(user, units, best, last, all, tally),
    inProgress: best.length < steps && windowEnd >= now && !excludedAfter,
  };
}
