import type { Db } from "../../db/client.ts";
import { unprocessable } from "../../lib/errors.ts";
import { type EpochUs, SECOND_US } from "../../lib/time.ts";
import { runInOneSnapshot } from "../prepared.ts";
import type { AnswerMeta } from "../result/meta.ts";
import { rawMeta } from "../result/raw-meta.ts";
import type { TimeRange } from "../time/time-range.ts";
import { journeyOf } from "./evaluate.ts";
import { funnelOccurrences, type UserOccurrences } from "./occurrences.ts";
import type { FunnelRules, StepOrder } from "./rules.ts";
import type { StepFilter } from "./step-conditions.ts";
import type { FunnelUser } from "./summarize.ts";

export const DEFAULT_WINDOW_SECONDS = 7 * 86_400;

export interface FunnelSpec {
  steps: (StepFilter & { name: string })[];
  /** Between two steps, from 1: by default the first and the last. */
  exclusions?:
    | (StepFilter & { from_step?: number | undefined; to_step?: number | undefined })[]
    | undefined;
  order?: StepOrder | undefined;
  same_instant?: FunnelRules["sameInstant"] | undefined;
  window_seconds?: number | undefined;
}

/** The filters of the steps and of the exclusions, with their paths. */
function filtersOf({ steps, exclusions = [] }: FunnelSpec): {
  filters: StepFilter[];
  paths: string[];
} {
  const paths = [
    ...steps.map((_, index) => `definition.steps.${index}`),
    ...exclusions.map((_, index) => `definition.exclusions.${index}`),
  ];
  return { filters: [...steps, ...exclusions], paths };
}

/** @throws AppError unprocessable for a definition whose fields or values cannot be asked */
export function checkDefinition(definition: FunnelSpec): void {
  const { filters, paths } = filtersOf(definition);
  funnelOccurrences("", { from: 0, to: 1 }, filters, paths);
  const { steps, exclusions = [], order } = definition;
  exclusions.forEach(({ from_step, to_step }, index) => {
    const path = `definition.exclusions.${index}`;
    if (order === "any" && (from_step !== undefined || to_step !== undefined))
      throw unprocessable(
        path,
        "not_applicable",
        "With steps in any order an exclusion cannot stand between two of them.",
      );
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
        "An exclusion must begin at an earlier step than it ends.",
      );
  });
}

function rulesOf(definition: FunnelSpec, range: TimeRange, now: EpochUs): FunnelRules {
  const { steps, exclusions = [], order = "ordered", same_instant = "counts" } = definition;
  return {
    steps: steps.length,
    exclusions: exclusions.map(({ from_step = 1, to_step = steps.length }) => ({
      after: from_step,
      before: to_step,
    })),
    order,
    windowUs: (definition.window_seconds ?? DEFAULT_WINDOW_SECONDS) * SECOND_US,
    sameInstant: same_instant,
    ...range,
    now,
  };
}

function funnelUser(user: UserOccurrences, rules: FunnelRules): FunnelUser | undefined {
  const journey = journeyOf(user, rules);
  if (!journey) return undefined;
  const { level, times, entry, inProgress } = journey;
  const property = entry === undefined ? null : (user.properties[entry] ?? null);
  return { userId: user.userId, level, times, inProgress, property };
}

export interface FunnelRun {
  users: FunnelUser[];
  meta: AnswerMeta;
}

/**
 * The journey of every user who began in the range: counts, journeys and trend are made of them.
 * @param now a window that ends at this instant or later is open
 * @throws AppError unprocessable for a definition that cannot be asked
 */
export async function runFunnel(
  db: Db,
  workspaceId: string,
  definition: FunnelSpec,
  range: TimeRange,
  timezone: string,
  now: EpochUs,
  breakdown?: string,
): Promise<FunnelRun> {
  checkDefinition(definition);
  const rules = rulesOf(definition, range, now);
  const { filters, paths } = filtersOf(definition);
  // The window of the last user to begin is whole, its end included.
  const watched = { from: range.from, to: range.to + rules.windowUs };
  const [found, meta] = await runInOneSnapshot(db, [
    funnelOccurrences(workspaceId, watched, filters, paths, {
      property: breakdown,
      others: rules.order === "contiguous",
    }),
    rawMeta(workspaceId, range, timezone),
  ]);
  const users = found.flatMap((user) => funnelUser(user, rules) ?? []);
  const rows = found.reduce((sum, user) => sum + user.times.length, 0);
  return { users, meta: { ...meta, sources: { ...meta.sources, raw: { rows } } } };
}
