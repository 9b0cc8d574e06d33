import type { SumName } from "../catalog/measure.ts";

/** The parts of a question beside the number of executions, which is always there. */
export interface QueryParts {
  /** The numbers of executions by status. */
  statuses: boolean;
  sums: readonly SumName[];
  quantiles: number[];
  /** Whether sketches come packed and are read here: faster for an answer of few rows. */
  packed: boolean;
  users: boolean;
  agents: boolean;
  /** The whole sketch of durations, for what needs more than a few quantiles. */
  sketches: boolean;
}

/**
 * The tables that are merged once for all that is asked of them: the buckets of the sketches, and the distinct
 * ids.
 */
export const MERGED_BASES = ["sketches", "users", "agents"] as const;

export type MergedBase = (typeof MERGED_BASES)[number];

export const basesOf = ({ quantiles, users, agents, sketches }: QueryParts): MergedBase[] =>
  MERGED_BASES.filter((base) =>
    base === "sketches" ? sketches || quantiles.length > 0 : base === "users" ? users : agents,
  );
