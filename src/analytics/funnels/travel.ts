import type { Db } from "../../db/client.ts";
import { unprocessable } from "../../lib/errors.ts";
import { type EpochUs, SECOND_US } from "../../lib/time.ts";
import { runInOneSnapshot } from "../prepared.ts";
import type { AnswerMeta } from "../result/meta.ts";
import { rawMeta } from "../result/raw-meta.ts";
import type { TimeRange } from "../time/time-range.ts";
import { journeyOf } from "./evaluate.ts";
import { occurrences, type StepFilter } from "./occurrences.ts";
import type { FunnelRules, StepOrder } from "./rules.ts";
import type { FunnelUser } from "./summarize.ts";

export const DEFAULT_WINDOW_SECONDS = 7 * 86_400;

export interface FunnelDefinition {
  steps: (StepFilter & { name: string })[];
  /** Between two steps, from 1: by default the first and the last. */
  exclusions?:
    | (StepFilter & { from_step?: number | undefined; to_step?: number | undefined })[]
    | undefined;
  order?: StepOrder | undefined;
  same_instant?: FunnelRules["sameInstant"] | undefined;
  window_seconds?: number | undefined;
}

function wantedOf({ steps, exclusions = [] }: FunnelDefinition): {
  wanted: StepFilter[];
  paths: string[];
} {
  const paths = [
    ...steps.map((_, index) => `definition.steps.${index}`),
    ...exclusions.map((_, index) => `definition.exclusions.${index}`),
  ];
  return { wanted: [...steps, ...exclusions], paths };
}

/** @throws AppError unprocessable for a definition whose fields or values cannot be asked */
export function checkDefinition(definition: FunnelDefinition): void {
  const { wanted, paths } = wantedOf(definition);
  occurrences("", { from: 0, to: 1 }, wanted, paths);
  const { steps, exclusions = [], order } = definition;
  exclusions.forEach(({ from_step, to_step }, index) => {
    const path = `definition.exclusions.${index}`;
    if (order === "any" && (from_step !== undefined || to_step !== undefined))
      throw unprocessable(path, "not_applicable", "Steps in any order have no step between two.");
    if ((to_step ?? steps.length) > steps.length)
      throw unprocessable(
        `${path}.to_step`,
        "unknown_step",
        `The funnel has ${steps.length} steps.`,
      );
    if ((from_step ?? 1) >= (to_step ?? steps.length))
      throw unprocessable(
        `${path}.from_step`,
        "steps_reversed",
        "An exclusion begins at an earlier step than it ends.",
      );
  });
}

/**
 * The journey of every user who began in the range: what counts, journeys and trend are all made of.
 * @param now what ends at this moment or later is open
 * @throws AppError unprocessable for what cannot be asked
 */
export async function runFunnel(
  db: Db,
  workspaceId: string,
  definition: FunnelDefinition,
  range: TimeRange,
  timezone: string,
  now: EpochUs,
  breakdown?: string,
): Promise<{ travellers: FunnelUser[]; meta: AnswerMeta }> {
  checkDefinition(definition);
  const {
    steps,
    exclusions = [],
    order = "ordered",
    same_instant = "counts",
    window_seconds = DEFAULT_WINDOW_SECONDS,
  } = definition;
  const rules: FunnelRules = {
    steps: steps.length,
    exclusions: exclusions.map(({ from_step = 1, to_step = steps.length }) => ({
      after: from_step,
      before: to_step,
    })),
    order,
    windowUs: window_seconds * SECOND_US,
    sameInstant: same_instant,
    ...range,
    now,
  };
  const { wanted, paths } = wantedOf(definition);
  // Who begins last has the whole window too, its end included.
  const watched = { from: range.from, to: range.to + rules.windowUs };
  const [users, meta] = await runInOneSnapshot(db, [
    occurrences(workspaceId, watched, wanted, paths, {
      property: breakdown,
      others: order === "contiguous",
    }),
    rawMeta(workspaceId, range, timezone),
  ]);
  const travellers = users.flatMap((user): FunnelUser[] => {
    const journey = journeyOf(user, rules);
    if (!journey) return [];
    const property = journey.entry === undefined ? null : (user.properties[journey.entry] ?? null);
    const { level, times, inProgress } = journey;
    return [{ userId: user.userId, level, times, inProgress, property }];
  });
  const rows = users.reduce((sum, user) => sum + user.times.length, 0);
  return { travellers, meta: { ...meta, sources: { ...meta.sources, raw: { rows } } } };
}
