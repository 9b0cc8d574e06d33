import type { SnapshotSource } from "../../db/snapshot.ts";
import { WORK_BUDGETS } from "../../lib/budget.ts";
import { unprocessable } from "../../lib/errors.ts";
import { type EpochUs, SECOND_US } from "../../lib/time.ts";
import { prepared, runInOneSnapshot } from "../prepared.ts";
import type { AnswerMeta } from "../result/meta.ts";
import { rawMeta } from "../result/raw-meta.ts";
import type { TimeRange } from "../time/time-range.ts";
import { journeyOf } from "./evaluate.ts";
import { occurrenceTexts, packedOccurrences } from "./occurrences.ts";
import { readUsers, textRow, usersOfTexts } from "./read-users.ts";
import type { FunnelRules, StepOrder } from "./rules.ts";
import type { StepFilter } from "./step-conditions.ts";
import { type PackedUser, type UserOccurrences, unpackedUser } from "./unpack.ts";

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
  packedOccurrences("", { from: 0, to: 1 }, filters, paths, 0);
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

/** A user who began in the range. */
export interface FunnelUser {
  userId: string;
  level: number;
  times: EpochUs[];
  /** Whether the user may still reach a further step. */
  inProgress: boolean;
  property: string | null;
}

function funnelUser(user: UserOccurrences, rules: FunnelRules): FunnelUser | undefined {
  const journey = journeyOf(user, rules);
  if (!journey) return undefined;
  const { level, times, entry, inProgress } = journey;
  const property = entry === undefined ? null : (user.properties[entry] ?? null);
  return { userId: user.userId, level, times, inProgress, property };
}

export interface FunnelRequest {
  definition: FunnelSpec;
  range: TimeRange;
  timezone: string;
  /** A window that ends at this instant or later is open. */
  now: EpochUs;
  breakdown?: string | undefined;
  /** Moments that are answered in one round trip, as text; more are read in pages. */
  textMoments?: number;
  /** Bytes of a page. */
  pageBytes?: number;
}

/**
 * More are read in pages. A text of these takes 1.4 MB; of a larger funnel they are read for
 * nothing.
 */
const TEXT_MOMENTS = 100_000;

/**
 * The journey of every user who began in the range, one after the other, in any order: counts,
 * journeys and trend are made of them. None of them is kept.
 * @param take may have been given users when an error is thrown
 * @throws AppError unprocessable for a definition that cannot be asked, or too many moments
 */
export async function runFunnel(
  store: SnapshotSource,
  workspaceId: string,
  request: FunnelRequest,
  take: (user: FunnelUser) => void,
): Promise<AnswerMeta> {
  const { definition, range, timezone, now, breakdown, textMoments = TEXT_MOMENTS } = request;
  checkDefinition(definition);
  const rules = rulesOf(definition, range, now);
  const { filters, paths } = filtersOf(definition);
  // The window of the last user to begin is whole, its end included.
  const watched = { from: range.from, to: range.to + rules.windowUs };
  const options = { property: breakdown, others: rules.order === "contiguous" };
  const packed = (limit: number) =>
    packedOccurrences(workspaceId, watched, filters, paths, limit, options);
  const metaQuery = rawMeta(workspaceId, range, timezone);
  let rows = 0;
  const evaluate = (user: PackedUser) => {
    const occurrences = unpackedUser(user);
    rows += occurrences.times.length;
    const found = funnelUser(occurrences, rules);
    if (found) take(found);
  };
  const withRows = (meta: AnswerMeta) => ({ ...meta, sources: { ...meta.sources, raw: { rows } } });
  const texts = occurrenceTexts(packed(textMoments), textMoments);
  const [users, meta] = await runInOneSnapshot(store.db, [
    prepared({ sql: texts, row: textRow }, usersOfTexts),
    metaQuery,
  ]);
  if (users) {
    users.forEach(evaluate);
    return withRows(meta);
  }
  return store.inSnapshot(async (snapshot) => {
    await readUsers(snapshot, packed(WORK_BUDGETS.moments.limit), evaluate, request.pageBytes);
    const [metaThen] = await runInOneSnapshot(snapshot, [metaQuery]);
    return withRows(metaThen);
  });
}
