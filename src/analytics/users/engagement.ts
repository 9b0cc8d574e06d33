import { sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { metaRow } from "../result/meta-row.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import { presenceMeta, userPresence } from "./presence.ts";

export interface UserEngagement {
  /** Distinct users of the days. */
  users: number;
  /** Of them, those who were there in the last 7 of the days. */
  activeLast7Days: number;
  /** Of them, those who were there on at least `regularDays` days. */
  activeOn4Days: number;
  meta: AnswerMeta;
}

/** On so many days a user must have been there to count as a regular one. */
export const REGULAR_DAYS = 4;
export const RECENT_DAYS = 7;

const row = z.object({ users: z.number(), recent: z.number(), regular: z.number(), meta: metaRow });

/** How many users there were in local days, how many of late, and how many on several days. */
export function userEngagement(
  workspaceId: string,
  days: readonly Bucket[],
  timezone: string,
): PreparedQuery<UserEngagement> {
  const late = Math.max(0, days.length - RECENT_DAYS);
  const statement = sql`with recursive ${userPresence(workspaceId, days, { of: "activity" })},
    users as (select user_id, max(slot) as last, count(*) as days from active group by user_id)
    select count(*) as users, count(*) filter (where last > ${late}::int) as recent, count(*) filter (where days >= ${REGULAR_DAYS}::int) as regular,
      ${presenceMeta(workspaceId)} as meta from users`;
  return prepared({ sql: statement, row }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    return {
      users: found.users,
      activeLast7Days: found.recent,
      activeOn4Days: found.regular,
      meta: metaOf(rangeOfBuckets(days), timezone, found.meta),
    };
  });
}
