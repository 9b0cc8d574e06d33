import { runInOneSnapshot } from "../../analytics/prepared.ts";
import { withTables } from "../../analytics/result/meta.ts";
import { type Bucket, rangeOfBuckets, wholeBuckets } from "../../analytics/time/range.ts";
import { formatLocal } from "../../analytics/time/zones.ts";
import { retainedUsers } from "../../analytics/users/cohorts.ts";
import type { Context } from "../../context.ts";
import { DAY_US, type EpochUs } from "../../lib/time.ts";
import { PRESENCE_TABLES } from "./user-range.ts";

export interface ChurnQuery {
  to?: EpochUs | undefined;
  timezone: string;
  window_days?: number | undefined;
  windows?: number | undefined;
  explain?: boolean | undefined;
}

/** The windows, oldest first, each of `length` whole local days; the last one ends before `to`. */
function churnWindows(to: EpochUs, length: number, count: number, timezone: string): Bucket[] {
  const lead = length * count;
  const days = wholeBuckets({ from: to - DAY_US, to }, "day", timezone, lead + 2)
    .filter((day) => day.to <= to)
    .slice(-lead);
  return Array.from({ length: count }, (_, index): Bucket => {
    const part = days.slice(index * length, (index + 1) * length);
    return { ...rangeOfBuckets(part), label: part[0]?.label ?? "" };
  });
}

function churnOf(
  window: Bucket,
  { active, kept }: { active: number; kept: number },
  timezone: string,
  now: EpochUs,
) {
  const churned = active - kept;
  const complete = window.to <= now;
  return {
    from: formatLocal(window.from, timezone),
    to: formatLocal(window.to, timezone),
    active_before: active,
    kept_users: kept,
    churned_users: churned,
    churn_rate: active === 0 || !complete ? null : churned / active,
    complete,
  };
}

/**
 * Churn over windows of whole local days: of the users who were active in a window, the share that
 * was not active in the next. The last window ends with the last whole day before `to`.
 */
export async function userChurn(ctx: Context, workspaceId: string, query: ChurnQuery) {
  const { window_days: length = 30, windows: count = 6, timezone } = query;
  const now = ctx.nowUs();
  // One more, before the first: each window is compared with the one before it.
  const windows = churnWindows(query.to ?? now, length, count + 1, timezone);
  const [{ buckets, meta }] = await runInOneSnapshot(ctx.db, [
    retainedUsers(workspaceId, windows, timezone),
  ]);
  const list = windows.slice(1).map((window, index) => {
    const counts = buckets[index] ?? { active: 0, kept: 0 };
    return churnOf(window, counts, timezone, now);
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
    meta: withTables(meta, query.explain, PRESENCE_TABLES),
  };
}
