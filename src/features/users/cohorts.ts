import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { type AnswerMeta, withTables } from "../../analytics/result/meta.ts";
import type { CohortMembership } from "../../analytics/users/cohort-members.ts";
import { cohortCounts, cohortTotals } from "../../analytics/users/cohorts.ts";
import type { ActivityKind } from "../../analytics/users/presence.ts";
import {
  type CurvePoint,
  checkCells,
  curveOf,
  matrixOf,
  type RetentionCohort,
  type RetentionMode,
} from "../../analytics/users/retention.ts";
import type { Context } from "../../context.ts";
import { unprocessable } from "../../lib/errors.ts";
import { bucketsFor, type CalendarUnit, PRESENCE_TABLES, type UserRange } from "./user-range.ts";

type CohortKind = "first_activity" | "first_success" | "event";

export interface CohortQuery extends UserRange {
  granularity?: CalendarUnit | undefined;
  cohort?: CohortKind | undefined;
  event_type?: string | undefined;
  event_name?: string | undefined;
  return_event_type?: string | undefined;
  return_event_name?: string | undefined;
}

/** The first activity that makes a user a member. */
function entryOf({ event_type, event_name }: CohortQuery, cohort: CohortKind): ActivityKind {
  if (cohort === "event") return { of: "event", type: event_type, name: event_name };
  return { of: cohort === "first_success" ? "success" : "activity" };
}

/** The activity that counts as a return. */
function returnOf({ return_event_type: type, return_event_name: name }: CohortQuery): ActivityKind {
  if (type === undefined && name === undefined) return { of: "activity" };
  return { of: "event", type, name };
}

/** @throws AppError unprocessable if the event is missing, or the cohort takes none */
function membershipOf({ cohort = "first_activity", ...query }: CohortQuery): CohortMembership {
  const named = query.event_type !== undefined || query.event_name !== undefined;
  if (cohort === "event" && !named)
    throw unprocessable(
      "query.event_type",
      "event_missing",
      "Specify the event: event_type, event_name or both.",
    );
  if (cohort !== "event" && named)
    throw unprocessable(
      "query.event_type",
      "event_without_cohort",
      "event_type and event_name require cohort=event.",
    );
  return { entry: entryOf(query, cohort), back: returnOf(query) };
}

export interface UserRetention {
  mode: RetentionMode;
  granularity: CalendarUnit;
  cohorts: RetentionCohort[];
  curve: CurvePoint[];
}

/** The answer of `GET /users/retention`: matrix and curve. */
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
    meta: withTables(counts.meta, query.explain, PRESENCE_TABLES),
  };
}

/**
 * Each cohort with how many of its users came back, and how many were active in the last bucket
 * that has ended.
 */
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
    meta: withTables(meta, query.explain, PRESENCE_TABLES),
  };
}
