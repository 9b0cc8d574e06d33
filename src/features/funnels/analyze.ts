import { type FunnelRun, runFunnel } from "../../analytics/funnels/run-funnel.ts";
import {
  breakdownOf,
  type FunnelUser,
  stepsOf,
  trendOf,
} from "../../analytics/funnels/summarize.ts";
import { rangeOfQuery } from "../../analytics/query.ts";
import { countBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import type { TimeRange } from "../../analytics/time/time-range.ts";
import type { Context } from "../../context.ts";
import { decodeCursor, paginate } from "../../db/keyset.ts";
import { rangeOrDefault } from "../../http/metrics-params.ts";
import { checkWork } from "../../lib/budget.ts";
import { unprocessable } from "../../lib/errors.ts";
import { formatInstant } from "../../lib/time.ts";
import { zoneIn } from "../../store/workspaces.ts";
import type { FunnelDefinition, FunnelQuestion, JOURNEY_OUTCOMES } from "./schema.ts";

async function spanOf(
  ctx: Context,
  workspaceId: string,
  question: FunnelQuestion,
): Promise<{ range: TimeRange; timezone: string }> {
  const timezone = await zoneIn(ctx, workspaceId, question.timezone);
  return { timezone, range: rangeOfQuery(rangeOrDefault(question, "30d"), ctx.nowUs()) };
}

async function journeys(
  ctx: Context,
  workspaceId: string,
  definition: FunnelDefinition,
  question: FunnelQuestion,
): Promise<FunnelRun> {
  const { range, timezone } = await spanOf(ctx, workspaceId, question);
  const now = ctx.nowUs();
  return runFunnel(ctx.db, workspaceId, definition, range, timezone, now, question.breakdown);
}

export async function analyzeFunnel(
  ctx: Context,
  workspaceId: string,
  definition: FunnelDefinition,
  question: FunnelQuestion,
) {
  const { range, timezone } = await spanOf(ctx, workspaceId, question);
  const by = question.granularity ?? "day";
  checkWork("trend", countBuckets(range, by), "granularity");
  const { users, meta } = await journeys(ctx, workspaceId, definition, question);
  const names = definition.steps.map((step) => step.name);
  const steps = stepsOf(names, users);
  const buckets = wholeBuckets(range, by, timezone);
  const drops = steps.slice(0, -1).filter((step) => step.dropped_users > 0);
  const worst = [...drops].sort((a, b) => b.dropped_users - a.dropped_users || a.step - b.step)[0];
  return {
    data: {
      steps,
      conversion_rate: steps.at(-1)?.conversion_rate ?? null,
      biggest_drop_off: worst
        ? {
            step: worst.step,
            name: worst.name,
            dropped_users: worst.dropped_users,
            drop_off_rate: worst.drop_off_rate,
          }
        : null,
      breakdown: question.breakdown === undefined ? null : breakdownOf(names, users),
      trend: trendOf(users, buckets, names.length),
    },
    meta,
  };
}

export interface JourneyQuery extends FunnelQuestion {
  step?: number | undefined;
  outcome?: (typeof JOURNEY_OUTCOMES)[number] | undefined;
  limit: number;
  cursor?: string | undefined;
  include_total?: boolean | undefined;
}

/**
 * The users behind a number of the analysis, by id; their count is the number.
 * @throws AppError unprocessable
 */
export async function journeysOf(
  ctx: Context,
  workspaceId: string,
  definition: FunnelDefinition,
  query: JourneyQuery,
) {
  const { step = 1, outcome = "reached", limit } = query;
  const last = definition.steps.length;
  if (step > last)
    throw unprocessable("query.step", "unknown_step", `The funnel has ${last} steps.`);
  const { users, meta } = await journeys(ctx, workspaceId, definition, query);
  const belongs = ({ level, inProgress }: FunnelUser) => {
    if (outcome === "converted") return level === last;
    if (outcome === "reached") return level >= step;
    return level === step && level < last && inProgress === (outcome === "in_progress");
  };
  const [after] = query.cursor === undefined ? [] : decodeCursor(query.cursor, 1);
  const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const all = users.filter(belongs).sort((a, b) => compare(a.userId, b.userId));
  const rest = after === undefined ? all : all.filter((each) => each.userId > after);
  const total = query.include_total ? all.length : undefined;
  const { shown, page } = paginate(rest, limit, ({ userId }) => [userId], { total });
  const data = shown.map(({ userId, level, times, inProgress }) => ({
    user_id: userId,
    level,
    entered_at: formatInstant(times[0] ?? 0),
    step_times: times.map(formatInstant),
    converted: level === last,
    in_progress: inProgress,
  }));
  return { data, page, meta };
}
