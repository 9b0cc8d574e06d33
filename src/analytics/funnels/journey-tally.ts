import { checkWork } from "../../lib/budget.ts";
import { NumberList } from "../../lib/number-list.ts";
import type { FunnelUser } from "./run-funnel.ts";
import { type StepCounts, type StepResult, stepsOf } from "./summarize.ts";

const MAX_BREAKDOWN = 50;

/** Room of a value, beside its own characters. */
const VALUE_CHARACTERS = 40;

/** More than the states that a user can be in: twice the levels. */
const STATES = 32;

/** Users by their property, to find the most frequent values when all are known. */
class PropertyGroups {
  readonly #numbers = new Map<string | null, number>();
  readonly #sizes: number[] = [];
  #characters = 0;
  /** Of each user, as they were added: the number of the value, and what the user did. */
  readonly users = new NumberList();

  add({ property, level, inProgress }: FunnelUser): void {
    const number = this.#numbers.get(property) ?? this.#numbers.size;
    if (number === this.#numbers.size) {
      this.#numbers.set(property, number);
      this.#characters += VALUE_CHARACTERS + (property?.length ?? 0);
      checkWork("breakdown", this.#characters, "breakdown");
    }
    this.#sizes[number] = (this.#sizes[number] ?? 0) + 1;
    this.users.add(STATES * number + 2 * level + (inProgress ? 1 : 0));
  }

  /** The values with their numbers, those with the most users first. */
  ordered(): [string | null, number][] {
    const sizeOf = (number: number) => this.#sizes[number] ?? 0;
    return [...this.#numbers].sort(
      ([a, ofA], [b, ofB]) =>
        sizeOf(ofB) - sizeOf(ofA) ||
        String(a).localeCompare(String(b)) ||
        (a === null ? -1 : b === null || a > b ? 1 : -1),
    );
  }
}

/**
 * Users are counted as they come, and not kept: of each stay six bytes for each step after the
 * first, and with a breakdown six more.
 */
export class JourneyTally {
  readonly #names: readonly string[];
  readonly #users: number[];
  readonly #inProgress: number[];
  /** By step (from 0), of the users who reached it, in the order in which they were added. */
  readonly #durationsUs: NumberList[];
  readonly #groups: PropertyGroups | undefined;
  #kept = 0;

  /** @param names of the steps */
  constructor(names: readonly string[], { byProperty = false } = {}) {
    this.#names = names;
    this.#users = new Array<number>(names.length + 1).fill(0);
    this.#inProgress = new Array<number>(names.length + 1).fill(0);
    this.#durationsUs = names.map(() => new NumberList());
    this.#groups = byProperty ? new PropertyGroups() : undefined;
  }

  /** @throws AppError unprocessable for more than can be kept */
  add(user: FunnelUser): void {
    const { level, times, inProgress } = user;
    this.#users[level] = (this.#users[level] ?? 0) + 1;
    if (inProgress) this.#inProgress[level] = (this.#inProgress[level] ?? 0) + 1;
    for (let index = 1; index < level; index++)
      this.#durationsUs[index]?.add((times[index] ?? 0) - (times[index - 1] ?? 0));
    this.#groups?.add(user);
    this.#kept += Math.max(0, level - 1) + (this.#groups ? 1 : 0);
    checkWork("conversions", this.#kept, "from");
  }

  steps(): StepResult[] {
    return stepsOf(this.#names, {
      users: this.#users,
      inProgress: this.#inProgress,
      durationsUs: (index) => this.#durationsUs[index]?.sorted() ?? new Float64Array(),
    });
  }

  /** The steps for each value of the property; values past the 50 most frequent are `other`. */
  breakdown(): { value: string | null; other: boolean; steps: StepResult[] }[] | null {
    if (!this.#groups) return null;
    const ordered = this.#groups.ordered();
    const kept = ordered.slice(0, MAX_BREAKDOWN);
    const { users } = this.#groups;
    const shown = kept.map(([value, number]) => {
      const steps = this.#stepsWhere(users, (group) => group === number);
      return { value, other: false, steps };
    });
    if (ordered.length === kept.length) return shown;
    const numbers = new Set(kept.map(([, number]) => number));
    const rest = this.#stepsWhere(users, (group) => !numbers.has(group));
    return [...shown, { value: null, other: true, steps: rest }];
  }

  #stepsWhere(users: NumberList, belongs: (group: number) => boolean): StepResult[] {
    const counts = {
      users: new Array<number>(this.#names.length + 1).fill(0),
      inProgress: new Array<number>(this.#names.length + 1).fill(0),
    };
    const ofGroup = this.#names.map(() => new NumberList());
    const next = this.#names.map(() => 0);
    for (let user = 0; user < users.length; user++) {
      const state = users.at(user) % STATES;
      const level = state >> 1;
      const isIn = belongs(Math.floor(users.at(user) / STATES));
      if (isIn) counts.users[level] = (counts.users[level] ?? 0) + 1;
      if (isIn && state & 1) counts.inProgress[level] = (counts.inProgress[level] ?? 0) + 1;
      for (let index = 1; index < level; index++) {
        const place = next[index] ?? 0;
        next[index] = place + 1;
        if (isIn) ofGroup[index]?.add(this.#durationsUs[index]?.at(place) ?? 0);
      }
    }
    const all: StepCounts = {
      ...counts,
      durationsUs: (index) => ofGroup[index]?.sorted() ?? new Float64Array(),
    };
    return stepsOf(this.#names, all);
  }
}
