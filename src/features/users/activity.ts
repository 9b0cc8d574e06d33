import { prepareQuery } from "../../analytics/ask.ts";
import { runInOneSnapshot } from "../../analytics/prepared.ts";
import type { Query } from "../../analytics/query.ts";
import { type AnswerMeta, combineMeta, withTables } from "../../analytics/result/meta.ts";
import { BY_HOUR_OF_WEEK, cellsOf } from "../../analytics/shapes/heatmap.ts";
import { RELATIVE_ERROR } from "../../analytics/sql/sketch.ts";
import { type Bucket, rangeOfBuckets } from "../../analytics/time/range.ts";
import { featureUse } from "../../analytics/users/feature-use.ts";
import { MONTH_DAYS, userLifecycle } from "../../analytics/users/lifecycle.ts";
import { type SessionFigures, sessionFigures } from "../../analytics/users/sessions.ts";
import type { Context } from "../../context.ts";
import type { EpochUs } from "../../lib/time.ts";
import { bucketsFor, PRESENCE_TABLES, type UserRange } from "./user-range.ts";

const SESSION_TABLES = {
  daily: "sessions_daily, session_edges_daily",
  raw: ["executions", "events"],
};

/**
 * `meta` of the sessions and of the features, which are read from events. The quantiles of lengths
 * come from a sketch.
 */
function sessionMeta(
  like: AnswerMeta,
  { sessions, rows, rolledDays }: SessionFigures,
  events: number,
): AnswerMeta {
  const sources = {
    daily: { buckets: rolledDays },
    hourly: { buckets: 0 },
    raw: { rows: rows + events },
  };
  const exact = sessions === 0;
  return { ...like, sources, exact, relative_error: exact ? 0 : RELATIVE_ERROR };
}

type LifecycleDays = ReturnType<ReturnType<typeof userLifecycle>["finish"]>["days"];

/** The last day that has begun: a range may reach into the future. */
function latestOf(days: LifecycleDays, buckets: readonly Bucket[], now: EpochUs) {
  const latest = days.filter((_, index) => (buckets[index]?.from ?? 0) <= now).at(-1);
  if (!latest) return null;
  const { day, dau, wau, mau, stickiness } = latest;
  return { day, dau, wau, mau, stickiness };
}

/** Active users by day with their lifecycle, sessions, features and hours of use: one snapshot. */
export async function userActivity(ctx: Context, workspaceId: string, query: UserRange) {
  const { buckets, timezone } = bucketsFor(ctx, query, "day", "30d", MONTH_DAYS);
  const asked = buckets.slice(MONTH_DAYS);
  const range = rangeOfBuckets(asked);
  const now = ctx.nowUs();
  const measures: Query["measures"] = ["executions"];
  const heat: Query = { measures, ...range, timezone, ...BY_HOUR_OF_WEEK, rowsOnly: true };
  const [users, counted, features, hours] = await runInOneSnapshot(ctx.db, [
    userLifecycle(workspaceId, buckets, timezone),
    sessionFigures(workspaceId, range),
    featureUse(workspaceId, range),
    prepareQuery(workspaceId, heat, now, query.explain),
  ]);
  const { rows: _rows, rolledDays: _rolledDays, ...sessions } = counted;
  const events = features.reduce((sum, feature) => sum + feature.events, 0);
  const data = {
    latest: latestOf(users.days, asked, now),
    active_users: users.activeUsers,
    days: users.days.map((day, index) => ({ ...day, complete: (asked[index]?.to ?? 0) <= now })),
    sessions,
    feature_use: features.map((feature) => ({
      ...feature,
      adoption_rate: users.activeUsers === 0 ? null : feature.users / users.activeUsers,
    })),
    heatmap: cellsOf(hours.rows, ({ executions }) => ({ executions: Number(executions) })),
  };
  const sessionsMeta = sessionMeta(users.meta, counted, events);
  return {
    data,
    meta: combineMeta({
      users: withTables(users.meta, query.explain, PRESENCE_TABLES),
      sessions: withTables(sessionsMeta, query.explain, SESSION_TABLES),
      heatmap: hours.meta,
    }),
  };
}
