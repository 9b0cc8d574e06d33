import { sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { metaRow } from "../result/meta-row.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import { firstSeen, presenceMeta, slotOf, userPresence } from "./presence.ts";

/** A user is of the month (MAU) for so many days, and comes back from dormancy after them. */
export const MONTH_DAYS = 30;
export const WEEK_DAYS = 7;

export interface DayOfUsers {
  day: string;
  /** Distinct users of the day, of the 7 days that end with it, and of the 30. */
  dau: number;
  wau: number;
  mau: number;
  /** dau / mau; null without users. */
  stickiness: number | null;
  /** new + returning + resurrected = dau. */
  new: number;
  returning: number;
  resurrected: number;
  /** Users whose last activity was exactly 30 days before: they left the month on this day. */
  dormant: number;
}

const row = z.object({
  kind: z.string(),
  slot: z.number().nullable(),
  a: z.number().nullable(),
  b: z.number().nullable(),
  meta: metaRow.nullable(),
});

/**
 * Active users and their lifecycle, day by day. For each user and active day, `before` and `after` are the neighbouring active
 * days: a day counts for the month until 30 days have passed or the user comes again, so no window is scanned twice. `moves` are
 * those days counted: users of a day who came from the month before it, or not, and come next on a day.
 * @param days local days: MONTH_DAYS of them lead up to the asked ones
 */
export function userLifecycle(
  workspaceId: string,
  days: readonly Bucket[],
  timezone: string,
): PreparedQuery<{ days: DayOfUsers[]; activeUsers: number; meta: AnswerMeta }> {
  const range = rangeOfBuckets(days.slice(MONTH_DAYS));
  const none = sql`null::bigint`;
  const ends = (length: number) =>
    sql`select ${`end${length}`}, least(slot + ${length}::int, after), sum(n)::bigint, ${none}, null::jsonb from moves group by 2`;
  const statement = sql`with recursive ${userPresence(workspaceId, days, { of: "activity" })},
    ${firstSeen(workspaceId, { of: "activity" }, sql`select user_id from active`, range.to)},
    neighbours as (select slot, lag(slot) over w as before, lead(slot) over w as after from active window w as (partition by user_id order by slot)),
    moves as materialized (select slot, coalesce(slot - before <= ${MONTH_DAYS}::int, false) as returned, after, count(*) as n from neighbours group by 1, 2, 3),
    starts as (select ${slotOf(sql`at`)} as slot, count(*) as n from first_seen group by 1)
    select 'day' as kind, slot, sum(n)::bigint as a, sum(n) filter (where returned)::bigint as b, null::jsonb as meta from moves group by slot
    union all select 'new', slot, n, ${none}, null from starts
    union all ${ends(WEEK_DAYS)} union all ${ends(MONTH_DAYS)}
    union all select 'dormant', slot + ${MONTH_DAYS}::int, sum(n)::bigint, ${none}, null from moves where after is null or after > slot + ${MONTH_DAYS}::int group by 2
    union all select 'range', null, count(*), ${none}, null from (select user_id from active where slot > ${MONTH_DAYS}::int group by user_id) users
    union all select 'meta', null, ${none}, ${none}, ${presenceMeta(workspaceId)}`;
  return prepared({ sql: statement, row }, (rows) => {
    const about = rows.find((each) => each.meta)?.meta;
    if (!about) throw new Error("The statement gave no meta row");
    const activeUsers = rows.find((each) => each.kind === "range")?.a ?? 0;
    return {
      days: daysOf(rows, days).slice(MONTH_DAYS),
      activeUsers,
      meta: metaOf(range, timezone, about),
    };
  });
}

function daysOf(rows: readonly z.output<typeof row>[], days: readonly Bucket[]): DayOfUsers[] {
  const found = new Map(rows.map((each) => [`${each.kind}/${each.slot}`, each]));
  const a = (kind: string, slot: number) => found.get(`${kind}/${slot}`)?.a ?? 0;
  let [wau, mau] = [0, 0];
  return days.map(({ label }, index) => {
    const slot = index + 1;
    const dau = a("day", slot);
    wau += dau - a(`end${WEEK_DAYS}`, slot);
    mau += dau - a(`end${MONTH_DAYS}`, slot);
    const [fresh, returning] = [a("new", slot), found.get(`day/${slot}`)?.b ?? 0];
    return {
      day: label.slice(0, 10),
      dau,
      wau,
      mau,
      stickiness: mau === 0 ? null : dau / mau,
      new: fresh,
      returning,
      resurrected: dau - fresh - returning,
      dormant: a("dormant", slot),
    };
  });
}
