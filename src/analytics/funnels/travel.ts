import type { Db } from "../../db/client.ts";
import { SECOND_US } from "../../lib/time.ts";
import { rawMeta } from "../error-groups.ts";
import { moments, type Wanted } from "../moments.ts";
import { type Meta, together } from "../query.ts";
import type { TimeRange } from "../range.ts";
import { journeyOf, type Order, type Rules } from "./evaluate.ts";
import type { Traveller } from "./summarize.ts";

export const DEFAULT_WINDOW_SECONDS = 7 * 86_400;

export interface FunnelDefinition {
  steps: (Wanted & { name: string })[];
  exclusions?: Wanted[] | undefined;
  order?: Order | undefined;
  same_instant?: Rules["sameInstant"] | undefined;
  window_seconds?: number | undefined;
}

function wantedOf({ steps, exclusions = [] }: FunnelDefinition): {
  wanted: Wanted[];
  paths: string[];
} {
  const paths = [
    ...steps.map((_, index) => `definition.steps.${index}`),
    ...exclusions.map((_, index) => `definition.exclusions.${index}`),
  ];
  return { wanted: [...steps, ...exclusions], paths };
}

/** @throws AppError impossible for a definition whose fields or values cannot be asked */
export function checkDefinition(definition: FunnelDefinition): void {
  const { wanted, paths } = wantedOf(definition);
  moments("", { from: 0, to: 1 }, wanted, paths);
}

/** The journey of every user who began in the range: what counts, journeys and trend are all made of. */
export async function travel(
  db: Db,
  workspaceId: string,
  definition: FunnelDefinition,
  range: TimeRange,
  timezone: string,
  breakdown?: string,
): Promise<{ travellers: Traveller[]; meta: Meta }> {
  const {
    steps,
    order = "ordered",
    same_instant = "counts",
    window_seconds = DEFAULT_WINDOW_SECONDS,
  } = definition;
  const rules: Rules = {
    steps: steps.length,
    order,
    windowUs: window_seconds * SECOND_US,
    sameInstant: same_instant,
    ...range,
  };
  const { wanted, paths } = wantedOf(definition);
  // Who begins at the end of the range has the whole window too.
  const watched = { from: range.from, to: range.to + rules.windowUs };
  const [users, meta] = await together(db, [
    moments(workspaceId, watched, wanted, paths, breakdown),
    rawMeta(workspaceId, range, timezone),
  ]);
  const travellers = users.flatMap((user): Traveller[] => {
    const journey = journeyOf(user, rules);
    if (!journey) return [];
    const property = journey.entry === undefined ? null : (user.properties[journey.entry] ?? null);
    return [{ userId: user.userId, level: journey.level, times: journey.times, property }];
  });
  const rows = users.reduce((sum, user) => sum + user.times.length, 0);
  return { travellers, meta: { ...meta, sources: { ...meta.sources, raw: { rows } } } };
}
