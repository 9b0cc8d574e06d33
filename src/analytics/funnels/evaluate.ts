import type { EpochUs } from "../../lib/time.ts";
import type { Moments } from "../moments.ts";

export const ORDERS = ["ordered", "strict", "any"] as const;
export type Order = (typeof ORDERS)[number];

export interface Rules {
  /** Bits 0 to steps - 1 of a moment's mask are the steps, the bits above them exclusions. */
  steps: number;
  order: Order;
  /** The last step must come less than this after the first. */
  windowUs: number;
  /** Whether a step at the very instant of the one before comes after it. */
  sameInstant: "counts" | "does_not";
  /** Where a journey may begin: [from, to). */
  from: EpochUs;
  to: EpochUs;
}

/** How far a user came: the earliest of the furthest attempts, each step at its earliest time. */
export interface Journey {
  level: number;
  times: EpochUs[];
  /** Place of the moment of the first step among all of them; undefined when the journey lacks it. */
  entry: number | undefined;
}

/** How many steps from `level` on can be given distinct moments of one instant: augmenting paths (Kuhn 1955). */
function stepsWithin(masks: readonly number[], level: number, steps: number): number {
  const taken = new Map<number, number>();
  const place = (step: number, tried: Set<number>): boolean =>
    masks.some((mask, index) => {
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

const stepBits = (steps: number) => (1 << steps) - 1;

/** Last index (excluded) of the moments that share the instant of `index`. */
function instantEnd(times: readonly EpochUs[], index: number): number {
  let end = index + 1;
  while (end < times.length && times[end] === times[index]) end++;
  return end;
}

/**
 * The furthest way on from the instant at `index`, with `reached` behind it. Moments of one instant are a set: within it any
 * order counts, or with `does_not` at most one step. An exclusion ends the attempt when it stands strictly after its start and
 * before the next step (with `counts`: or at the same instant). `strict`: an instant with moments of steps that brings no next
 * step ends it; then taking fewer steps at one instant may lead further, so each number of them is tried, the most first.
 */
function onward(
  user: Moments,
  start: number,
  index: number,
  reached: EpochUs[],
  rules: Rules,
): EpochUs[] {
  const { steps, windowUs, sameInstant, order } = rules;
  const { times, masks } = user;
  const begun = times[start] ?? 0;
  for (let at = index; at < times.length && reached.length < steps; ) {
    const now = times[at] ?? 0;
    if (now - begun >= windowUs) break;
    const end = instantEnd(times, at);
    const here: number[] = [];
    for (let i = at; i < end; i++) if (i !== start) here.push(masks[i] ?? 0);
    const excluded = now > begun && here.some((mask) => mask > stepBits(steps));
    if (excluded && sameInstant === "counts") break;
    const most = Math.min(
      sameInstant === "counts" ? steps : now === begun ? 0 : 1,
      stepsWithin(here, reached.length, steps),
    );
    const least = now > begun ? 1 : 0;
    const blocked =
      order === "strict" &&
      now > begun &&
      most === 0 &&
      here.some((mask) => (mask & stepBits(steps)) !== 0);
    if (blocked) break;
    if (order === "strict" && most > least && !excluded) {
      let best = reached;
      for (let count = most; count >= least; count--) {
        const way = onward(
          user,
          start,
          end,
          [...reached, ...new Array<EpochUs>(count).fill(now)],
          rules,
        );
        if (way.length > best.length) best = way;
      }
      return best;
    }
    reached = [...reached, ...new Array<EpochUs>(most).fill(now)];
    if (excluded) break;
    at = end;
  }
  return reached;
}

/** One attempt, from the moment at `start`. */
function walkInOrder(user: Moments, start: number, rules: Rules): EpochUs[] {
  const begun = user.times[start] ?? 0;
  let first = start;
  while (first > 0 && user.times[first - 1] === begun) first--;
  return onward(user, start, first, [begun], rules);
}

/** For each moment the place of the next one, itself excepted, that is of the second step and not before its instant; the length for none. */
function nextSecond({ times, masks }: Moments): number[] {
  const next = new Array<number>(times.length).fill(times.length);
  let [later, instant] = [times.length, times.length];
  for (let end = times.length; end > 0; end = instant) {
    instant = end - 1;
    while (instant > 0 && times[instant - 1] === times[end - 1]) instant--;
    const here: number[] = [];
    for (let i = instant; i < end; i++) if ((masks[i] ?? 0) & 2) here.push(i);
    for (let i = instant; i < end; i++) next[i] = here.find((place) => place !== i) ?? later;
    later = here[0] ?? later;
  }
  return next;
}

/** Whether an attempt is further than another, or as far from the same instant and earlier at a step. */
function isBetter(a: readonly EpochUs[], b: readonly EpochUs[]): boolean {
  if (a.length !== b.length) return a.length > b.length;
  const at = a.findIndex((time, index) => time !== b[index]);
  return at > 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

/** One attempt in any order: the first time of each step within the window that begins with the moment at `start`. */
function walkInAnyOrder(
  { times, masks }: Moments,
  start: number,
  rules: Rules,
): { times: EpochUs[]; first: number | undefined } {
  const { steps, windowUs, sameInstant } = rules;
  const begun = times[start] ?? 0;
  const reached: EpochUs[] = [];
  let [seen, first]: [number, number | undefined] = [0, undefined];
  for (let index = start; index < times.length && seen !== stepBits(steps); ) {
    const at = times[index] ?? 0;
    if (at - begun >= windowUs) break;
    const end = instantEnd(times, index);
    const excluded = at > begun && masks.slice(index, end).some((mask) => mask > stepBits(steps));
    if (excluded && sameInstant === "counts") break;
    for (let i = index; i < end; i++) {
      const fresh = (masks[i] ?? 0) & stepBits(steps) & ~seen;
      for (let step = 0; step < steps; step++) if (fresh & (1 << step)) reached.push(at);
      if (fresh & 1) first ??= i;
      seen |= fresh;
    }
    if (excluded) break;
    index = end;
  }
  return { times: reached, first };
}

/** How far a user came, or undefined for one who never began in the range. */
export function journeyOf(user: Moments, rules: Rules): Journey | undefined {
  const begins = rules.order === "any" ? stepBits(rules.steps) : 1;
  const seconds = rules.order === "any" ? [] : nextSecond(user);
  // No attempt can come further than the steps that there are moments of.
  const seen = user.masks.reduce((all, mask) => all | mask, 0);
  let most = 0;
  while (most < rules.steps && (rules.order === "any" || seen & (1 << most))) most++;
  let best: { times: EpochUs[]; at: number | undefined; begun: EpochUs } | undefined;
  for (let start = 0; start < user.times.length; start++) {
    const at = user.times[start] ?? 0;
    if (at < rules.from || ((user.masks[start] ?? 0) & begins) === 0) continue;
    if (at >= rules.to || (best?.times.length === most && at > best.begun)) break;
    let attempt: typeof best;
    if (rules.order === "any") {
      const { times, first } = walkInAnyOrder(user, start, rules);
      attempt = { times, at: first, begun: at };
    } else if (
      (user.times[seconds[start] ?? 0] ?? Number.POSITIVE_INFINITY) - at >= rules.windowUs ||
      seconds[start] === user.times.length
    ) {
      attempt = { times: [at], at: start, begun: at };
    } else attempt = { times: walkInOrder(user, start, rules), at: start, begun: at };
    if (!best || isBetter(attempt.times, best.times)) best = attempt;
  }
  if (!best) return undefined;
  const at = best.at;
  const entry =
    at === undefined ? undefined : user.masks.slice(0, at).filter((mask) => mask & 1).length;
  return { level: best.times.length, times: best.times, entry };
}
