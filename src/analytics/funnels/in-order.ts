import { choicesOf, instantsOf, type StepInstants, stepsWithin } from "./instants.ts";
import type { UserOccurrences } from "./occurrences.ts";
import { type FunnelRules, type StepTally, stepBits, type UserJourney } from "./rules.ts";

/** Exclusions (as bits of a mask) that end a way on from each level: anywhere after it, and at its own instant. */
function barriersOf({ steps, exclusions }: FunnelRules): { after: number[]; at: number[] } {
  const bits = (level: number, least: number) =>
    exclusions.reduce(
      (all, { after, before }, place) =>
        after <= level - least && level < before ? all | (1 << (steps + place)) : all,
      0,
    );
  const levels = Array.from({ length: steps + 1 }, (_, level) => level);
  return {
    after: levels.map((level) => bits(level, 0)),
    at: levels.map((level) => bits(level, 1)),
  };
}

/** Earliest moment at which step `goal` can come, when `level` steps were taken at an instant and before it. */
type Onward = (level: number, goal: number) => number;

/**
 * Goes through the instants from the last to the first, and tells at each what can still come. The goal after the last step is the
 * future: 0 where a moment that has not happened yet could be the next step, else infinity.
 *
 * A way on from a level depends on the instants after it only: an exclusion in between closes it, and in `strict` so does an
 * instant with moments of steps (in `contiguous`: any instant), unless it brings the next step. So one pass, from behind, with the
 * earliest moment of each goal by level, is enough: dynamic programming over (level, goal).
 */
function sweep(
  { masks }: UserOccurrences,
  { at, first, union }: StepInstants,
  rules: FunnelRules,
  tally: StepTally,
  visit: (index: number, onward: Onward, choices: readonly number[]) => void,
): void {
  const { steps, sameInstant, order } = rules;
  const barriers = barriersOf(rules);
  const width = steps + 2;
  const best = new Float64Array((steps + 1) * width).fill(Number.POSITIVE_INFINITY);
  for (let level = 1; level < steps; level++) best[level * width + steps + 1] = 0;
  const close = (level: number) =>
    void best.fill(Number.POSITIVE_INFINITY, level * width, (level + 1) * width);
  for (let index = at.length - 1; index >= 0; index--) {
    const here = union[index] ?? 0;
    const now = at[index] ?? 0;
    const choices = choicesOf(masks, first[index] ?? 0, first[index + 1] ?? 0, steps);
    const onward: Onward = (level, goal) => {
      if (goal <= level) return now;
      const stuck = sameInstant === "does_not" && (here & (barriers.at[level] ?? 0)) !== 0;
      return level === steps || stuck
        ? Number.POSITIVE_INFINITY
        : (best[level * width + goal] ?? Number.POSITIVE_INFINITY);
    };
    tally.steps += 1 + choices.length;
    visit(index, onward, choices);
    const blocks = order === "contiguous" || (order === "strict" && (here & stepBits(steps)) !== 0);
    for (let level = 1; level < steps; level++) {
      const excluded = (here & (barriers.after[level] ?? 0)) !== 0;
      const most =
        (here & (1 << level)) === 0
          ? 0
          : sameInstant === "counts"
            ? stepsWithin(choices, level, steps)
            : 1;
      if (most === 0) {
        if (excluded || blocks) close(level);
        continue;
      }
      // With `counts` an exclusion at the instant of a step stands before it, with `does_not` it stands behind.
      if (excluded && sameInstant === "counts") {
        close(level);
        continue;
      }
      if (excluded || blocks) close(level);
      for (let goal = level + 1; goal < width; goal++)
        for (let reached = level + 1; reached <= level + most; reached++) {
          tally.steps++;
          const place = level * width + goal;
          best[place] = Math.min(best[place] ?? 0, onward(reached, goal));
        }
    }
  }
}

/** Steps that can be taken at the instant of a start, the start's own among them. */
function stepsAtStart(choices: readonly number[], mask: number, rules: FunnelRules): number {
  if (rules.sameInstant === "does_not" || choices.length === 1) return 1;
  const others = [...choices];
  others.splice(others.indexOf(mask), 1);
  return 1 + stepsWithin(others, 1, rules.steps);
}

const startsOf = (choices: readonly number[]) => new Set(choices.filter((mask) => mask & 1));

interface Furthest {
  index: number;
  level: number;
  inProgress: boolean;
}

/** The furthest that any start comes, and the earliest start that comes so far. */
function furthestOf(
  user: UserOccurrences,
  instants: StepInstants,
  rules: FunnelRules,
  tally: StepTally,
): Furthest | undefined {
  const { steps, from, to, windowUs, now } = rules;
  let [index, level, inProgress] = [-1, 0, false];
  sweep(user, instants, rules, tally, (place, onward, choices) => {
    const begun = instants.at[place] ?? 0;
    if (begun < from || begun >= to || ((instants.union[place] ?? 0) & 1) === 0) return;
    let most = 0;
    for (const mask of startsOf(choices)) most = Math.max(most, stepsAtStart(choices, mask, rules));
    const comesTo = (goal: number) => {
      for (let taken = 1; taken <= most; taken++)
        if (onward(taken, goal) <= begun + windowUs) return true;
      return false;
    };
    // Seen from behind, the earlier start of two that come as far is the later one here.
    let goal = Math.max(1, level);
    if (!comesTo(goal)) goal = 0;
    else while (goal < steps && comesTo(goal + 1)) goal++;
    tally.steps += goal;
    if (goal >= level && goal > 0) [index, level] = [place, goal];
    inProgress ||= begun + windowUs >= now && comesTo(steps + 1);
  });
  return index < 0 ? undefined : { index, level, inProgress: inProgress && level < steps };
}

/** The journey of a start that comes to a level: every step as early as the ones behind it allow. */
function pathOf(
  user: UserOccurrences,
  instants: StepInstants,
  rules: FunnelRules,
  { index, level }: Furthest,
  tally: StepTally,
): { times: number[]; start: number } {
  const { steps, sameInstant, windowUs } = rules;
  const { at, first } = instants;
  const begun = at[index] ?? 0;
  /** Bit n: with n steps taken at and before the instant, the level is still reached in time. */
  const can = new Uint16Array(at.length);
  sweep(user, instants, rules, tally, (place, onward) => {
    for (let taken = 1; taken <= level; taken++)
      if (onward(taken, level) <= begun + windowUs) can[place] = (can[place] ?? 0) | (1 << taken);
  });
  const most = (place: number, least: number, last: number) => {
    let taken = Math.min(last, level);
    while (taken >= least && ((can[place] ?? 0) & (1 << taken)) === 0) taken--;
    return taken >= least ? taken : undefined;
  };
  const choices = choicesOf(user.masks, first[index] ?? 0, first[index + 1] ?? 0, steps);
  const reach = new Map(
    [...startsOf(choices)].map((mask) => [mask, stepsAtStart(choices, mask, rules)]),
  );
  const taken = most(index, 1, Math.max(...reach.values())) ?? 1;
  let start = first[index] ?? 0;
  while ((reach.get(user.masks[start] ?? 0) ?? 0) < taken) start++;
  const times = new Array<number>(taken).fill(begun);
  for (let place = index + 1; place < at.length && times.length < level; place++) {
    tally.steps++;
    if (((instants.union[place] ?? 0) & (1 << times.length)) === 0) continue;
    const here = choicesOf(user.masks, first[place] ?? 0, first[place + 1] ?? 0, steps);
    const within = sameInstant === "counts" ? stepsWithin(here, times.length, steps) : 1;
    const next = most(place, times.length + 1, times.length + within);
    while (next !== undefined && times.length < next) times.push(at[place] ?? 0);
  }
  return { times, start };
}

/** How far a user came step by step, or undefined for one who never began in the range. */
export function journeyInOrder(
  user: UserOccurrences,
  rules: FunnelRules,
  tally: StepTally,
): UserJourney | undefined {
  const instants = instantsOf(user);
  const furthest = furthestOf(user, instants, rules, tally);
  if (!furthest) return undefined;
  const { times, start } = pathOf(user, instants, rules, furthest, tally);
  const entry = user.masks.slice(0, start).filter((mask) => mask & 1).length;
  return { level: furthest.level, times, entry, inProgress: furthest.inProgress };
}
