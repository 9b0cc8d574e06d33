import type { MeasureValues } from "../../analytics/result/rows.ts";
import {
  RECENT_DAYS,
  REGULAR_DAYS,
  type UserEngagement,
} from "../../analytics/users/engagement.ts";
import { ratioOf } from "../../lib/decimal.ts";

export interface HealthPart {
  name: "reliability" | "activity" | "engagement" | "efficiency";
  weight: number;
  /** 0 to 1; null without data. */
  value: number | null;
  how: string;
}

export interface WorkspaceHealth {
  /** 0 to 100: the weighted mean of the parts that are known; null without any. */
  score: number | null;
  parts: HealthPart[];
}

const share = (part: number, whole: number) => (whole === 0 ? null : part / whole);

/** The weighted mean of the parts that are known, 0 to 100. */
function scoreOf(parts: readonly HealthPart[]): number | null {
  const known = parts.filter((part) => part.value !== null);
  const weights = known.reduce((sum, part) => sum + part.weight, 0);
  if (weights === 0) return null;
  return (100 * known.reduce((sum, part) => sum + part.weight * (part.value ?? 0), 0)) / weights;
}

/**
 * The one definition of a workspace's health.
 * @param days local days of the range: activity and engagement need a minimum
 * @param credits of the runs that ended in success, and of all runs that ended
 */
export function healthOf(
  totals: MeasureValues,
  users: UserEngagement,
  days: number,
  credits: { successful: string; ended: string },
): WorkspaceHealth {
  const success = totals.success_rate ?? null;
  const parts: HealthPart[] = [
    {
      name: "reliability",
      weight: 0.3,
      value: success === null ? null : Number(success),
      how: "success_rate of the range",
    },
    {
      name: "activity",
      weight: 0.25,
      value: days > RECENT_DAYS ? share(users.activeLast7Days, users.users) : null,
      how: `users of the last ${RECENT_DAYS} days / users of the range`,
    },
    {
      name: "engagement",
      weight: 0.25,
      value: days >= REGULAR_DAYS ? share(users.activeOn4Days, users.users) : null,
      how: `users active on at least ${REGULAR_DAYS} days / users of the range`,
    },
    {
      name: "efficiency",
      weight: 0.2,
      value: ratioOf(credits.successful, credits.ended),
      how: "credits of successful runs / credits of ended runs",
    },
  ];
  return { score: scoreOf(parts), parts };
}
