import { rawMeta } from "../../analytics/error-groups.ts";
import { moments, type Wanted } from "../../analytics/moments.ts";
import { rangeOf, zoneOf } from "../../analytics/plan.ts";
import { type Meta, together } from "../../analytics/query.ts";
import { type TimeRange, wholeBuckets } from "../../analytics/range.ts";
import type { Context } from "../../context.ts";
import { decodeCursor, encodeCursor } from "../../db/keyset.ts";
import { rangeOr } from "../../http/numbers.ts";
import { impossible } from "../../lib/errors.ts";
import { formatInstant, SECOND_US } from "../../lib/time.ts";
import { journeyOf, type Rules } from "./evaluate.ts";
import { DEFAULT_WINDOW_SECONDS, type Definition, type Question } from "./schema.ts";
import { breakdownOf, stepsOf, type Traveller, trendOf } from "./summarize.ts";

const MAX_TREND_BUCKETS = 400;

interface Travelled {
  travellers: Traveller[];
  range: TimeRange;
  timezone: string;
  meta: Meta;
}

function wantedOf({ steps, exclusions = [] }: Definition): { wanted: Wanted[]; paths: string[] } {
  const paths = [
    ...steps.map((_, index) => `definition.steps.${index}`),
    ...exclusions.map((_, index) => `definition.exclusions.${index}`),
  ];
  return { wanted: [...steps, ...exclusions], paths };
}

/** @throws AppError impossible for a definition whose fields or values cannot be asked */
export function checkDefinition(definition: Definition): void {
  const { wanted, paths } = wantedOf(definition);
  moments("", { from: 0, to: 1 }, wanted, paths);
}

/** The journey of every user who began in the range: what counts, journeys and trend are all made of. */
async function travel(ctx: Context, workspaceId: string, definition: Definition, question: Question): Promise<Travelled> {
  const timezone = zoneOf(question.timezone ?? "UTC");
  const range = rangeOf(rangeOr(question, "30d"), ctx.now() * 1000);
  const { steps, order = "ordered", same_instant = "counts", window_seconds = DEFAULT_WINDOW_SECONDS } = definition;
  const rules: Rules = { steps: steps.length, order, windowUs: window_seconds * SECOND_US, sameInstant: same_instant, ...range };
  const { wanted, paths } = wantedOf(definition);
  // Who begins at the end of the range has the whole window too.
  const watched = { from: range.from, to: range.to + rules.windowUs };
  const [users, meta] = await together(ctx.db, [
    moments(workspaceId, watched, wanted, paths, question.breakdown),
    rawMeta(workspaceId, range, timezone),
  ]);
  const travellers = users.flatMap((user): Traveller[] => {
    const journey = journeyOf(user, rules);
    if (!journey) return [];
    const property = journey.entry === undefined ? null : (user.properties[journey.entry] ?? null);
    return [{ userId: user.userId, level: journey.level, times: journey.times, property }];
  });
  const rows = users.reduce((sum, user) => sum + user.times.length, 0);
  return { travellers, range, timezone, meta: { ...meta, sources: { ...meta.sources, raw: { rows } } } };
}

export async function analyzeFunnel(ctx: Context, workspaceId: string, definition: Definition, question: Question) {
  const { travellers, range, timezone, meta } = await travel(ctx, workspaceId, definition, question);
  const names = definition.steps.map((step) => step.name);
  const steps = stepsOf(names, travellers);
  const buckets = wholeBuckets(range, question.granularity ?? "day", timezone);
  if (buckets.length > MAX_TREND_BUCKETS)
    throw impossible("granularity", "too_many_buckets", `The trend would have more than ${MAX_TREND_BUCKETS} buckets.`);
  const drops = steps.slice(0, -1).filter((step) => step.dropped_users > 0);
  const worst = [...drops].sort((a, b) => b.dropped_users - a.dropped_users || a.step - b.step)[0];
  return {
    data: {
      steps,
      conversion_rate: steps.at(-1)?.conversion_rate ?? null,
      biggest_drop_off: worst
        ? { step: worst.step, name: worst.name, dropped_users: worst.dropped_users, drop_off_rate: worst.drop_off_rate }
        : null,
      breakdown: question.breakdown === undefined ? null : breakdownOf(names, travellers),
      trend: trendOf(travellers, buckets, names.length),
    },
    meta,
  };
}

export interface JourneyQuery extends Question {
  step?: number | undefined;
  outcome?: "reached" | "converted" | "dropped" | undefined;
  limit: number;
  cursor?: string | undefined;
  include_total?: boolean | undefined;
}

/** The users behind a number of the analysis, by id; their count is the number. @throws AppError impossible */
export async function journeysOf(ctx: Context, workspaceId: string, definition: Definition, query: JourneyQuery) {
  const { step = 1, outcome = "reached", limit } = query;
  const last = definition.steps.length;
  if (step > last) throw impossible("query.step", "unknown_step", `The funnel has ${last} steps.`);
  const { travellers, meta } = await travel(ctx, workspaceId, definition, query);
  const belongs = (level: number) =>
    outcome === "converted" ? level === last : outcome === "reached" ? level >= step : level === step && level < last;
  const [after] = query.cursor === undefined ? [] : decodeCursor(query.cursor, 1);
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const all = travellers.filter((each) => belongs(each.level)).sort((a, b) => compare(a.userId, b.userId));
  const rest = after === undefined ? all : all.filter((each) => each.userId > after);
  const shown = rest.slice(0, limit);
  const more = rest.length > limit;
  const page = {
    limit,
    next_cursor: more ? encodeCursor([shown.at(-1)?.userId ?? ""]) : null,
    has_more: more,
    ...(query.include_total ? { total: all.length } : {}),
  };
  const data = shown.map(({ userId, level, times }) => ({
    user_id: userId,
    level,
    entered_at: formatInstant(times[0] ?? 0),
    step_times: times.map(formatInstant),
    converted: level === last,
  }));
  return { data, page, meta };
}
