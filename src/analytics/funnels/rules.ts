import type { EpochUs } from "../../lib/time.ts";

export const STEP_ORDERS = ["ordered", "strict", "contiguous", "any"] as const;
export type StepOrder = (typeof STEP_ORDERS)[number];

/** Forbids a moment after step `after` and before the steps up to `before` (from 1; `after` < `before`). */
export interface StepExclusion {
  after: number;
  before: number;
}

export interface FunnelRules {
  /** Bits 0 to steps - 1 of a moment's mask are the steps, the bits above them exclusions, in their order. */
  steps: number;
  exclusions: readonly StepExclusion[];
  order: StepOrder;
  /** The last step comes at most this after the first. */
  windowUs: number;
  /** Whether a step at the very instant of the one before comes after it. */
  sameInstant: "counts" | "does_not";
  /** Where a journey may begin: [from, to). */
  from: EpochUs;
  to: EpochUs;
  /** What has not happened yet: a window that ends at this moment or later is open. */
  now: EpochUs;
}

/** How far a user came: the earliest of the furthest attempts, each step at its earliest time. */
export interface UserJourney {
  level: number;
  times: EpochUs[];
  /** Place of the moment of the first step among all of them; undefined when the journey lacks it. */
  entry: number | undefined;
  /** Whether an attempt whose window is open may still take the user further. */
  inProgress: boolean;
}

/** What an evaluation has done, for who wants to know how it grows. */
export interface StepTally {
  steps: number;
}

export const stepBits = (steps: number): number => (1 << steps) - 1;
