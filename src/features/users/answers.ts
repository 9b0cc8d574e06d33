import { prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { rangeOfQuery } from "../../analytics/query.ts";
import { type AnswerMeta, combineMeta, withTables } from "../../analytics/result/meta.ts";
import { BY_HOUR_OF_WEEK, cellsOf } from "../../analytics/shapes/heatmap.ts";
import { RELATIVE_ERROR } from "../../analytics/sql/sketch.ts";
import { type Bucket, rangeOfBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import type { CohortMembership } from "../../analytics/users/cohort-members.ts";
import { cohortCounts, cohortTotals, retainedUsers } from "../../analytics/users/cohorts.ts";
import { featureUse } from "../../analytics/users/feature-use.ts";
import { MONTH_DAYS, userLifecycle } from "../../analytics/users/lifecycle.ts";
import type { ActivityKind } from "../../analytics/users/presence.ts";
import {
  type CurvePoint,
  checkCells,
  curveOf,
  matrixOf,
  type RetentionCohort,
  type RetentionMode,
} from "../../analytics/users/retention.ts";
import { type SessionFigures, sessionFigures } from "../../analytics/users/sessions.ts";
import type { Context } from "../../context.ts";
import { type RangeAndFilters, rangeOrDefault } from "../../http/metrics-params.ts";
import { unprocessable } from "../../lib/errors.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";

type Span = Partial<Pick<RangeAndFilters, "timeframe" | "from" | "to" | "explain">> & {
  timezone: string;
};
type Calendar = "day" | "week" | "month";

/** The whole local buckets that a request's range touches; `lead` more before them. */
function bucketsFor(
  ctx: Context,
  query: Span,
  granularity: Calendar,
  otherwise: "30d" | "90d",
  lead = 0,
): { buckets: Bucket[]; timezone: string } {
  const timezone = query.timezone;
  const range = rangeOfQuery(rangeOrDefault(query, otherwise), ctx.nowUs());
  return { buckets: wholeBuckets(range, granularity, timezone, lead), timezone };
}

const PRESENCE = { daily: "user_presence_daily", raw: ["executions", "events"] };

const SESSIONS = { daily: "sessions_daily, session_edges_daily", raw: ["executions", "events"] };

/** `meta` of the sessions and of the features, which are made of events as they are. Quantiles of lengths are those of a sketch. */
function sessionMeta(
  like: AnswerMeta,
  { sessions: count, rows, rolledDays }: SessionFigures,
  events: number,
): AnswerMeta {
  const sources = {
    daily: { buckets: rolledDays },
    hourly: { buckets: 0 },
    raw: { rows: rows + events },
  };
  return { ...like, sources, exact: count === 0, relative_error: count === 0 ? 0 : RELATIVE_ERROR };
}

/** Active users by day with their lifecycle, sessions, features and hours of use: one snapshot. */
export async function userActivity(ctx: Context, workspaceId: string, query: Span) {
  const { buckets, timezone } = bucketsFor(ctx, query, "day", "30d", MONTH_DAYS);
  const range = rangeOfBuckets(buckets.slice(MONTH_DAYS));
  const now = ctx.nowUs();
  const heat = {
    measures: ["executions" as const],
    ...range,
    timezone,
    ...BY_HOUR_OF_WEEK,
    rowsOnly: true,
  };
  const [users, counted, features, hours] = await runInOneSnapshot(ctx.db, [
    userLifecycle(workspaceId, buckets, timezone),
    sessionFigures(workspaceId, range),
    featureUse(workspaceId, range),
    prepareQuery(workspaceId, heat, now, query.explain),
  ]);
  const days = users.days.map((day, index) => ({
    ...day,
    complete: (buckets[MONTH_DAYS + index]?.to ?? 0) <= now,
  }));
  // The last day that has begun: a range may reach into the future.
  const latest = users.days
    .filter((_, index) => (buckets[MONTH_DAYS + index]?.from ?? 0) <= now)
    .at(-1);
  const use = features.map((feature) => ({
    ...feature,
    adoption_rate: users.activeUsers === 0 ? null : feature.users / users.activeUsers,
  }));
  const heatmap = cellsOf(hours.rows, ({ executions }) => ({ executions: Number(executions) }));
  const { rows: _, rolledDays: __, ...found } = counted;
  const events = features.reduce((sum, feature) => sum + feature.events, 0);
  return {
    data: {
      latest: latest
        ? {
            day: latest.day,
            dau: latest.dau,
            wau: latest.wau,
            mau: latest.mau,
            stickiness: latest.stickiness,
          }
        : null,
      active_users: users.activeUsers,
      days,
      sessions: found,
      feature_use: use,
      heatmap,
    },
    meta: combineMeta({
      users: withTables(users.meta, query.explain, PRESENCE),
      sessions: withTables(sessionMeta(users.meta, counted, events), query.explain, SESSIONS),
      heatmap: hours.meta,
    }),
  };
}

export interface CohortQuery extends Span {
  granularity?: Calendar | undefined;
  cohort?: "first_activity" | "first_success" | "event" | undefined;
  event_type?: string | undefined;
  event_name?: string | undefined;
  return_event_type?: string | undefined;
  return_event_name?: string | undefined;
}

/** @throws AppError unprocessable for an event that is not named, or named for nothing */
function membershipOf({ cohort = "first_activity", ...query }: CohortQuery): CohortMembership {
  const { event_type: type, event_name: name } = query;
  const named = type !== undefined || name !== undefined;
  if (cohort === "event" && !named)
    throw unprocessable(
      "query.event_type",
      "event_missing",
      "Name the event: event_type, event_name or both.",
    );
  if (cohort !== "event" && named)
    throw unprocessable(
      "query.event_type",
      "event_without_cohort",
      "event_type and event_name need cohort=event.",
    );
  const entry: ActivityKind =
    cohort === "event"
      ? { of: "event", type, name }
      : { of: cohort === "first_success" ? "success" : "activity" };
  const back: ActivityKind =
    query.return_event_type !== undefined || query.return_event_name !== undefined
      ? { of: "event", type: query.return_event_type, name: query.return_event_name }
      : { of: "activity" };
  return { entry, back };
}

export interface UserRetention {
  mode: RetentionMode;
  granularity: Calendar;
  cohorts: RetentionCohort[];
  curve: CurvePoint[];
}

export async function userRetention(
  ctx: Context,
  workspaceId: string,
  query: CohortQuery & { mode?: RetentionMode | undefined; max_offset?: number | undefined },
): Promise<{ data: UserRetention; meta: AnswerMeta }> {
  const { mode = "classic", max_offset = 30, granularity = "week" } = query;
  const of = membershipOf(query);
  const { buckets, timezone } = bucketsFor(ctx, query, granularity, "90d");
  checkCells(buckets.length, max_offset);
  const [counts] = await runInOneSnapshot(ctx.db, [
    cohortCounts(workspaceId, buckets, timezone, of, max_offset),
  ]);
  const matrix = matrixOf(counts, buckets, mode, ctx.nowUs(), max_offset);
  return {
    data: { mode, granularity, cohorts: matrix, curve: curveOf(matrix, max_offset) },
    meta: withTables(counts.meta, query.explain, PRESENCE),
  };
}

/** Each cohort with how many of it came back at all, and how many are there in the last bucket that is over. */
export async function userCohorts(ctx: Context, workspaceId: string, query: CohortQuery) {
  const { granularity = "week" } = query;
  const of = membershipOf(query);
  const { buckets, timezone } = bucketsFor(ctx, query, granularity, "90d");
  const now = ctx.nowUs();
  const last = buckets.filter((bucket) => bucket.to <= now).length - 1;
  const [{ totals, meta }] = await runInOneSnapshot(ctx.db, [
    cohortTotals(workspaceId, buckets, timezone, of, last),
  ]);
  const list = buckets.map(({ label, to }, index) => {
    const { size = 0, returned = 0, active = 0 } = totals[index] ?? {};
    const complete = to <= now;
    const rate = (users: number) => (complete && size > 0 ? users / size : null);
    return {
      cohort: label.slice(0, 10),
      size,
      complete,
      returned,
      returned_rate: rate(returned),
      still_active: active,
      still_active_rate: last > index ? rate(active) : null,
    };
  });
  return {
    data: { granularity, cohorts: list },
    meta: withTables(meta, query.explain, PRESENCE),
  };
}

export interface ChurnQuery {
  to?: EpochUs | undefined;
  timezone: string;
  window_days?: number | undefined;
  windows?: number | undefined;
  explain?: boolean | undefined;
}

/**
 * Churn over windows of whole local days: of the users who were there in a window, the share that was not there in the next.
 * The last window ends with the last whole day before `to`.
 */
export async function userChurn(ctx: Context, workspaceId: string, query: ChurnQuery) {
  const { window_days: length = 30, windows: wanted = 6 } = query;
  const timezone = query.timezone;
  const now = ctx.nowUs();
  const to = query.to ?? now;
  const lead = length * (wanted + 1);
  const all = wholeBuckets({ from: to - DAY_US, to }, "day", timezone, lead + 2).filter(
    (day) => day.to <= to,
  );
  const days = all.slice(-lead);
  const slots = Array.from({ length: wanted + 1 }, (_, index): Bucket => {
    const part = days.slice(index * length, (index + 1) * length);
    return { ...rangeOfBuckets(part), label: part[0]?.label ?? "" };
  });
  const [{ buckets, meta }] = await runInOneSnapshot(ctx.db, [
    retainedUsers(workspaceId, slots, timezone),
  ]);
  const list = slots.slice(1).map((slot, index) => {
    const { active, kept } = buckets[index] ?? { active: 0, kept: 0 };
    return {
      from: formatLocal(slot.from, timezone),
      to: formatLocal(slot.to, timezone),
      active_before: active,
      kept_users: kept,
      churned_users: active - kept,
      churn_rate: active === 0 || slot.to > now ? null : (active - kept) / active,
      complete: slot.to <= now,
    };
  });
  const last = list.at(-1);
  return {
    data: {
      window_days: length,
      churn_rate: last?.churn_rate ?? null,
      churned_users: last?.complete ? last.churned_users : null,
      active_before: last?.active_before ?? 0,
      windows: list,
    },
    meta: withTables(meta, query.explain, PRESENCE),
  };
}
