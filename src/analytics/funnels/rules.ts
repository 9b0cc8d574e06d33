import type { EpochUs } from "../../lib/time.ts";

export const STEP_ORDERS = ["ordered", "strict", "contiguous", "any"] as const;
export type StepOrder = (typeof STEP_ORDERS)[number];

/**
 * Forbids an occurrence after step `after` and before the steps up to `before` (from 1; `after` <
 * `before`).
 */
export interface StepExclusion {
  after: number;
  before: number;
}

export interface FunnelRules {
  /** Bits 0 to steps - 1 of an occurrence's mask are the steps; the exclusions follow in order. */
  steps: number;
  exclusions: readonly StepExclusion[];
  order: StepOrder;
  /** The last step comes at most this long after the first. */
  windowUs: number;
  /** Whether a step at the same instant as the one before comes after it. */
  sameInstant: "counts" | "does_not";
  /** A journey begins in [from, to). */
  from: EpochUs;
  to: EpochUs;
  /** A window that ends at this instant or later is open. */
  now: EpochUs;
}

/** The way that a user came: the earliest of the furthest attempts, each step at its earliest time. */
export interface UserJourney {
  level: number;
  times: EpochUs[];
  /** Index of the first step among all occurrences of it; undefined if the journey lacks it. */
  entry: number | undefined;
  /** Whether an attempt whose window is open may still take the user further. */
  inProgress: boolean;
}

/** Counts the work of an evaluation, to show how it grows. */
export interface StepTally {
  steps: number;
}

/** The bits of the steps in a mask. */
export const stepBits = (steps: number): number => (1 << steps) - 1;
