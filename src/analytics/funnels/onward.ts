import type { EpochUs } from "../../lib/time.ts";
import { choicesOf, type StepInstants, stepsWithin } from "./instants.ts";
import { type FunnelRules, type StepTally, stepBits } from "./rules.ts";
import type { UserOccurrences } from "./unpack.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** Exclusions (as bits of a mask) that end an attempt at each level. */
interface LevelBarriers {
  /** After the level's instant. */
  after: number[];
  /** At the instant itself. */
  at: number[];
}

const NONE: LevelBarriers = { after: [], at: [] };

function barriersOf({ steps, exclusions }: FunnelRules): LevelBarriers {
  if (exclusions.length === 0) return NONE;
  const bitsAt = (level: number, least: number) => {
    let bits = 0;
    for (const [index, { after, before }] of exclusions.entries())
      if (after <= level - least && level < before) bits |= 1 << (steps + index);
    return bits;
  };
  const levels = Array.from({ length: steps + 1 }, (_, level) => level);
  return {
    after: levels.map((level) => bitsAt(level, 0)),
    at: levels.map((level) => bitsAt(level, 1)),
  };
}

/**
 * The earliest instant at which each goal can come, by the level reached so far. The goal after the
 * last step is the future: 0 where an occurrence that has not happened yet could be the next step.
 */
class GoalTable {
  private readonly width: number;
  private readonly earliest: Float64Array;

  constructor(steps: number) {
    this.width = steps + 2;
    this.earliest = new Float64Array((steps + 1) * this.width).fill(NEVER);
    for (let level = 1; level < steps; level++) this.earliest[level * this.width + steps + 1] = 0;
  }

  get(level: number, goal: number): EpochUs {
    return this.earliest[level * this.width + goal] ?? NEVER;
  }

  improve(level: number, goal: number, at: EpochUs): void {
    const cell = level * this.width + goal;
    this.earliest[cell] = Math.min(this.earliest[cell] ?? 0, at);
  }

  close(level: number): void {
    this.earliest.fill(NEVER, level * this.width, (level + 1) * this.width);
  }
}

/** Earliest instant of step `goal` if `level` steps are taken at an instant and before it. */
export type EarliestGoal = (level: number, goal: number) => EpochUs;

/** The instant at which a sweep is; it holds until the next one. */
export interface SweptInstant {
  index: number;
  at: EpochUs;
  union: number;
  choices: readonly number[];
  earliest: EarliestGoal;
}

/** Number of steps that the occurrences of an instant can take from a level on. */
function stepsFrom(level: number, { union, choices }: SweptInstant, rules: FunnelRules): number {
  if ((union & (1 << level)) === 0) return 0;
  return rules.sameInstant === "counts" ? stepsWithin(choices, level, rules.steps) : 1;
}

/** Adds what an instant makes possible, and closes the levels that it ends. */
function addInstant(
  table: GoalTable,
  instant: SweptInstant,
  rules: FunnelRules,
  barriers: LevelBarriers,
  tally: StepTally,
): void {
  const { steps, order, sameInstant } = rules;
  const { union, earliest } = instant;
  const blocks = order === "contiguous" || (order === "strict" && (union & stepBits(steps)) !== 0);
  for (let level = 1; level < steps; level++) {
    const isExcluded = (union & (barriers.after[level] ?? 0)) !== 0;
    if (isExcluded || blocks) table.close(level);
    // With `counts` an exclusion at the instant of a step comes before the step, else after it.
    if (isExcluded && sameInstant === "counts") continue;
    const most = stepsFrom(level, instant, rules);
    if (most === 0) continue;
    for (let goal = level + 1; goal < steps + 2; goal++)
      for (let reached = level + 1; reached <= level + most; reached++) {
        tally.steps++;
        table.improve(level, goal, earliest(reached, goal));
      }
  }
}

/**
 * Visits the instants from the last to the first, with the goals that can still be reached from
 * each. What follows a level depends on the later instants only: an exclusion closes the level, and
 * in `strict` so does an instant with occurrences of steps (in `contiguous`: any instant), unless
 * it brings the next step. So one backward pass is enough: dynamic programming over (level, goal).
 */
export function sweepBackwards(
  { masks }: UserOccurrences,
  { at, first, union }: StepInstants,
  rules: FunnelRules,
  tally: StepTally,
  visit: (instant: SweptInstant) => void,
  places: { first: number; last: number } = { first: 0, last: at.length - 1 },
): void {
  const { steps, sameInstant } = rules;
  const barriers = barriersOf(rules);
  const table = new GoalTable(steps);
  // One object for all instants: a list of them would be garbage several times the moments' size.
  const instant: SweptInstant = {
    index: 0,
    at: 0,
    union: 0,
    choices: [],
    earliest: (level, goal) => {
      if (goal <= level) return instant.at;
      const isStuck =
        sameInstant === "does_not" && (instant.union & (barriers.at[level] ?? 0)) !== 0;
      return level === steps || isStuck ? NEVER : table.get(level, goal);
    },
  };
  for (let index = places.last; index >= places.first; index--) {
    instant.index = index;
    instant.at = at[index] ?? 0;
    instant.union = union[index] ?? 0;
    instant.choices = choicesOf(masks, first[index] ?? 0, first[index + 1] ?? 0, steps);
    tally.steps += 1 + instant.choices.length;
    visit(instant);
    addInstant(table, instant, rules, barriers, tally);
  }
}
