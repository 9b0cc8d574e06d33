import type { EpochUs } from "../../lib/time.ts";
import { choicesOf, instantsOf, type StepInstants, stepsWithin } from "./instants.ts";
import { type SweptInstant, sweepBackwards } from "./onward.ts";
import type { FunnelRules, StepTally, UserJourney } from "./rules.ts";
import type { UserOccurrences } from "./unpack.ts";

/** Number of steps that the instant of a start can take, the start's own among them. */
function stepsAtStart(choices: readonly number[], mask: number, rules: FunnelRules): number {
  if (rules.sameInstant === "does_not" || choices.length === 1) return 1;
  const others = [...choices];
  others.splice(others.indexOf(mask), 1);
  return 1 + stepsWithin(others, 1, rules.steps);
}

const startMasks = (choices: readonly number[]) => new Set(choices.filter((mask) => mask & 1));

interface FurthestStart {
  index: number;
  level: number;
  inProgress: boolean;
}

/** Whether a start, which takes at most so many steps at its instant, reaches a goal in time. */
function reachesGoal(
  { at, earliest }: SweptInstant,
  most: number,
  windowUs: number,
  goal: number,
): boolean {
  for (let taken = 1; taken <= most; taken++)
    if (earliest(taken, goal) <= at + windowUs) return true;
  return false;
}

/** The furthest level that any start reaches, and the earliest start that reaches it. */
function furthestStart(
  user: UserOccurrences,
  instants: StepInstants,
  rules: FunnelRules,
  tally: StepTally,
): FurthestStart | undefined {
  const { steps, from, to, windowUs, now } = rules;
  const furthest: FurthestStart = { index: -1, level: 0, inProgress: false };
  sweepBackwards(user, instants, rules, tally, (instant) => {
    const { index, at, union, choices } = instant;
    if (at < from || at >= to || (union & 1) === 0) return;
    let most = choices.length === 1 ? 1 : 0;
    if (most === 0)
      for (const mask of startMasks(choices))
        most = Math.max(most, stepsAtStart(choices, mask, rules));
    const reaches = (goal: number) => reachesGoal(instant, most, windowUs, goal);
    // In a backward sweep the earlier of two starts with the same level comes later.
    let level = Math.max(1, furthest.level);
    if (!reaches(level)) level = 0;
    else while (level < steps && reaches(level + 1)) level++;
    tally.steps += level;
    if (level >= furthest.level && level > 0) {
      furthest.index = index;
      furthest.level = level;
    }
    furthest.inProgress ||= at + windowUs >= now && reaches(steps + 1);
  });
  if (furthest.index < 0) return undefined;
  return { ...furthest, inProgress: furthest.inProgress && furthest.level < steps };
}

/**
 * For each instant from a start on a bit n for each number of steps n that, taken at it and before
 * it, still lead to the level in time. What comes after the end can lead to nothing.
 */
function stepsThatSuffice(
  user: UserOccurrences,
  instants: StepInstants,
  rules: FunnelRules,
  { start, level, end }: { start: number; level: number; end: EpochUs },
  tally: StepTally,
): Uint16Array {
  const { at } = instants;
  const suffice = new Uint16Array(at.length);
  let last = start;
  while (last + 1 < at.length && (at[last + 1] ?? 0) <= end) last++;
  sweepBackwards(
    user,
    instants,
    rules,
    tally,
    ({ index, earliest }) => {
      for (let taken = 1; taken <= level; taken++)
        if (earliest(taken, level) <= end) suffice[index] = (suffice[index] ?? 0) | (1 << taken);
    },
    { first: start, last },
  );
  return suffice;
}

/** The highest of the bits from `least` to `last`, if any is set. */
function highestBit(bits: number, least: number, last: number): number | undefined {
  for (let bit = last; bit >= least; bit--) if ((bits & (1 << bit)) !== 0) return bit;
  return undefined;
}

interface StartPath {
  times: EpochUs[];
  /** Index of the occurrence that begins the journey. */
  start: number;
}

/** The journey of a start to its level: every step as early as the later ones allow. */
function pathOf(
  user: UserOccurrences,
  instants: StepInstants,
  rules: FunnelRules,
  { index, level }: FurthestStart,
  tally: StepTally,
): StartPath {
  const { steps, sameInstant, windowUs } = rules;
  const { at, first } = instants;
  const begun = at[index] ?? 0;
  const goal = { start: index, level, end: begun + windowUs };
  const suffice = stepsThatSuffice(user, instants, rules, goal, tally);
  const mostSteps = (place: number, least: number, last: number) =>
    highestBit(suffice[place] ?? 0, least, Math.min(last, level));
  const choicesAt = (place: number) =>
    choicesOf(user.masks, first[place] ?? 0, first[place + 1] ?? 0, steps);
  const choices = choicesAt(index);
  const stepsByStart = new Map(
    [...startMasks(choices)].map((mask) => [mask, stepsAtStart(choices, mask, rules)]),
  );
  const taken = mostSteps(index, 1, Math.max(...stepsByStart.values())) ?? 1;
  let start = first[index] ?? 0;
  while ((stepsByStart.get(user.masks[start] ?? 0) ?? 0) < taken) start++;
  const times = new Array<number>(taken).fill(begun);
  for (let place = index + 1; place < at.length && times.length < level; place++) {
    tally.steps++;
    if (((instants.union[place] ?? 0) & (1 << times.length)) === 0) continue;
    const counts = sameInstant === "counts";
    const within = counts ? stepsWithin(choicesAt(place), times.length, steps) : 1;
    const next = mostSteps(place, times.length + 1, times.length + within);
    while (next !== undefined && times.length < next) times.push(at[place] ?? 0);
  }
  return { times, start };
}

/** @returns undefined if the user did not begin in the range */
export function journeyInOrder(
  user: UserOccurrences,
  rules: FunnelRules,
  tally: StepTally,
): UserJourney | undefined {
  const instants = instantsOf(user);
  const furthest = furthestStart(user, instants, rules, tally);
  if (!furthest) return undefined;
  const { times, start } = pathOf(user, instants, rules, furthest, tally);
  const entry = user.masks.slice(0, start).filter((mask) => mask & 1).length;
  return { level: furthest.level, times, entry, inProgress: furthest.inProgress };
}
