import type { MeasureValues } from "../../analytics/result/rows.ts";

/**
 * S success in percent, N executions, U users, A agents, D mean duration in seconds, C credits a
 * run; absent is null.
 */
interface Basis {
  S: number;
  N: number;
  U: number;
  A: number;
  D: number | null;
  C: number;
  /** Credits of all runs. */
  total: number;
  /** Executions of the period before, for what compares in time. */
  before: number;
}

export interface ScoreFormula {
  formula: string;
  /** Whether it compares with the period before: then that period has no rank of its own. */
  inTime?: boolean;
  of(basis: Basis): number;
}

const atLeast0 = (value: number) => Math.max(0, value);
/**
 * 100 for a run that takes no time, 0 from 100 seconds on; a run whose duration is not known earns
 * nothing.
 */
const quick = (D: number | null) => (D === null ? 0 : atLeast0(100 - D));
/** 100 for a run that costs nothing, 0 from 1,000 credits on. */
const cheap = (C: number) => atLeast0(100 - C / 10);

export const AGENT_CRITERIA = {
  runs: { formula: "N", of: ({ N }) => N },
  success_rate: {
    formula: "0.7 S + 0.3 min(N, 100)",
    of: ({ S, N }) => 0.7 * S + 0.3 * Math.min(N, 100),
  },
  speed: { formula: "max(0, 100 - D) + 0.3 S", of: ({ S, D }) => quick(D) + 0.3 * S },
  efficiency: {
    formula: "0.4 S + 0.3 max(0, 100 - C / 10) + 0.3 max(0, 100 - D)",
    of: ({ S, C, D }) => 0.4 * S + 0.3 * cheap(C) + 0.3 * quick(D),
  },
  popularity: { formula: "10 U + 0.5 N + 0.2 S", of: ({ U, N, S }) => 10 * U + 0.5 * N + 0.2 * S },
} as const satisfies Record<string, ScoreFormula>;

export const USER_CRITERIA = {
  activity: { formula: "N + 0.5 S + 5 A", of: ({ N, S, A }) => N + 0.5 * S + 5 * A },
  efficiency: {
    formula: "0.6 S + 0.4 max(0, 100 - C / 10)",
    of: ({ S, C }) => 0.6 * S + 0.4 * cheap(C),
  },
  contribution: {
    formula: "0.5 N + 10 A + 0.3 S",
    of: ({ N, A, S }) => 0.5 * N + 10 * A + 0.3 * S,
  },
  savings: {
    formula: "0.1 max(0, 1000 - all credits) + 0.3 S",
    of: ({ total, S }) => 0.1 * atLeast0(1000 - total) + 0.3 * S,
  },
} as const satisfies Record<string, ScoreFormula>;

export const WORKSPACE_CRITERIA = {
  activity: {
    formula: "0.1 N + 10 U + 5 A + S",
    of: ({ N, U, A, S }) => 0.1 * N + 10 * U + 5 * A + S,
  },
  efficiency: {
    formula: "0.5 S + 2 min(A, 50) + min(U, 100)",
    of: ({ S, A, U }) => 0.5 * S + 2 * Math.min(A, 50) + Math.min(U, 100),
  },
  growth: {
    inTime: true,
    formula: "100 (N - N before) / max(N before, 1), N before: executions of the period before",
    of: ({ N, before }) => (100 * (N - before)) / Math.max(before, 1),
  },
  innovation: { formula: "10 A + 5 U + 0.5 S", of: ({ A, U, S }) => 10 * A + 5 * U + 0.5 * S },
} as const satisfies Record<string, ScoreFormula>;

/** The terms of the formulas, from the measures of a group. */
export function basisOf(values: MeasureValues, before: MeasureValues | undefined): Basis {
  const number = (value: unknown) => Number(value ?? 0);
  return {
    S: 100 * number(values.success_rate),
    N: number(values.executions),
    U: number(values.active_users),
    A: number(values.active_agents),
    D:
      values.duration_avg === null || values.duration_avg === undefined
        ? null
        : number(values.duration_avg) / 1000,
    C: number(values.credits_avg),
    total: number(values.credits),
    before: number(before?.executions),
  };
}
