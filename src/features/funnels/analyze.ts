import { JourneyTally } from "../../analytics/funnels/journey-tally.ts";
import { type FunnelUser, runFunnel } from "../../analytics/funnels/run-funnel.ts";
import { TrendCounts } from "../../analytics/funnels/trend-counts.ts";
import { rangeOfQuery } from "../../analytics/query.ts";
import { countBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import type { TimeRange } from "../../analytics/time/time-range.ts";
import type { Context } from "../../context.ts";
import { decodeCursor, paginate } from "../../db/keyset.ts";
import { rangeOrDefault } from "../../http/metrics-params.ts";
import { checkWork } from "../../lib/budget.ts";
import { unprocessable } from "../../lib/errors.ts";
import { FirstById } from "../../lib/first-by-id.ts";
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

export async function analyzeFunnel(
  ctx: Context,
  workspaceId: string,
  definition: FunnelDefinition,
  question: FunnelQuestion,
) {
  const { range, timezone } = await spanOf(ctx, workspaceId, question);
  const by = question.granularity ?? "day";
  checkWork("trend", countBuckets(range, by), "granularity");
  const { breakdown } = question;
  const names = definition.steps.map((step) => step.name);
  const tally = new JourneyTally(names, { byProperty: breakdown !== undefined });
  const trend = new TrendCounts(wholeBuckets(range, by, timezone), names.length);
  const asked = { definition, range, timezone, now: ctx.nowUs(), breakdown };
  const meta = await runFunnel(ctx, workspaceId, asked, (user) => {
    tally.add(user);
    trend.add(user);
  });
  const steps = tally.steps();
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
      breakdown: tally.breakdown(),
      trend: trend.rows(),
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
  const belongs = ({ level, inProgress }: FunnelUser) => {
    if (outcome === "converted") return level === last;
    if (outcome === "reached") return level >= step;
    return level === step && level < last && inProgress === (outcome === "in_progress");
  };
  const [after] = query.cursor === undefined ? [] : decodeCursor(query.cursor, 1);
  const firsts = new FirstById<FunnelUser>(limit + 1, ({ userId }) => userId);
  let all = 0;
  const { range, timezone } = await spanOf(ctx, workspaceId, query);
  const { breakdown } = query;
  const asked = { definition, range, timezone, now: ctx.nowUs(), breakdown };
  const meta = await runFunnel(ctx, workspaceId, asked, (user) => {
    if (!belongs(user)) return;
    all++;
    if (after === undefined || user.userId > after) firsts.add(user);
  });
  const total = query.include_total ? all : undefined;
  const { shown, page } = paginate(firsts.rows(), limit, ({ userId }) => [userId], { total });
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
