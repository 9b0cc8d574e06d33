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
  /** Of them, those who were active in the last 7 of the days. */
  activeLast7Days: number;
  /** Of them, those who were active on at least `REGULAR_DAYS` days. */
  activeOn4Days: number;
  meta: AnswerMeta;
}

/** A regular user is active on at least this many days. */
export const REGULAR_DAYS = 4;
export const RECENT_DAYS = 7;

const engagementRow = z.object({
  users: z.number(),
  recent: z.number(),
  regular: z.number(),
  meta: metaRow,
});

/** Active users of local days: all of them, the recent ones, and the regular ones. */
export function userEngagement(
  workspaceId: string,
  days: readonly Bucket[],
  timezone: string,
): PreparedQuery<UserEngagement> {
  const lastBeforeRecent = Math.max(0, days.length - RECENT_DAYS);
  const statement = sql`with ${userPresence(workspaceId, days, { of: "activity" })},
  users as (
    select user_id, max(slot) as last, count(*) as days
    from active
    group by user_id
  )
  select count(*) as users,
    count(*) filter (where last > ${lastBeforeRecent}::int) as recent,
    count(*) filter (where days >= ${REGULAR_DAYS}::int) as regular,
    ${presenceMeta(workspaceId)} as meta
  from users`;
  return prepared({ sql: statement, row: engagementRow }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    return {
      users: found.users,
      activeLast7Days: found.recent,
      activeOn4Days: found.regular,
      meta: metaOf(rangeOfBuckets(days), timezone, found.meta),
    };
  });
}
