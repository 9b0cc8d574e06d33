import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { metaRow } from "../result/meta-row.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import { firstSeen } from "./first-seen.ts";
import { presenceMeta, slotOf, userPresence } from "./presence.ts";

/** A user counts for the month (MAU) for this many days, and becomes dormant after them. */
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

const lifecycleRow = z.object({
  kind: z.string(),
  slot: z.number().nullable(),
  a: z.number().nullable(),
  b: z.number().nullable(),
  meta: metaRow.nullable(),
});
type LifecycleRow = z.output<typeof lifecycleRow>;

const NULL_COUNT = sql.raw("null::bigint");

/**
 * CTEs: for each user and active day, `before` and `after` are the neighbouring active days: a day
 * counts for the month until 30 days have passed or the user is active again, so no window is
 * scanned twice. `moves` counts those days by whether their user comes from the month before, and
 * by `after`.
 */
function moveTables(): SQL {
  return sql`neighbours as (
    select slot, lag(slot) over w as before, lead(slot) over w as after
    from active
    window w as (partition by user_id order by slot)
  ),
  moves as materialized (
    select slot,
      coalesce(slot - before <= ${MONTH_DAYS}::int, false) as returned,
      after,
      count(*) as n
    from neighbours
    group by 1, 2, 3
  ),
  starts as (
    select ${slotOf(sql`at`)} as slot, count(*) as n
    from first_seen
    group by 1
  )`;
}

/** Users by the day from which on they no longer count for so many days. */
const endRows = (days: number) => sql`
  select ${`end${days}`}, least(slot + ${days}::int, after), sum(n)::bigint, ${NULL_COUNT},
    null::jsonb
  from moves
  group by 2`;

const dayRows = () => sql`
  select 'day' as kind, slot, sum(n)::bigint as a, sum(n) filter (where returned)::bigint as b,
    null::jsonb as meta
  from moves
  group by slot`;

const dormantRows = () => sql`
  select 'dormant', slot + ${MONTH_DAYS}::int, sum(n)::bigint, ${NULL_COUNT}, null
  from moves
  where after is null or after > slot + ${MONTH_DAYS}::int
  group by 2`;

const totalRow = () => sql`
  select 'range', null, count(*), ${NULL_COUNT}, null
  from (select user_id from active where slot > ${MONTH_DAYS}::int group by user_id) users`;

/**
 * Active users and their lifecycle, day by day.
 * @param days local days: MONTH_DAYS of them lead up to the asked ones
 */
export function userLifecycle(
  workspaceId: string,
  days: readonly Bucket[],
  timezone: string,
): PreparedQuery<{ days: DayOfUsers[]; activeUsers: number; meta: AnswerMeta }> {
  const range = rangeOfBuckets(days.slice(MONTH_DAYS));
  const kind = { of: "activity" } as const;
  const rows = [
    dayRows(),
    sql`\n  select 'new', slot, n, ${NULL_COUNT}, null from starts`,
    endRows(WEEK_DAYS),
    endRows(MONTH_DAYS),
    dormantRows(),
    totalRow(),
    sql`\n  select 'meta', null, ${NULL_COUNT}, ${NULL_COUNT}, ${presenceMeta(workspaceId)}`,
  ];
  const statement = sql`with ${userPresence(workspaceId, days, kind)},
  ${firstSeen(workspaceId, kind, sql`select user_id from active`, range.to)},
  ${moveTables()}${sql.join(rows, sql`\n  union all`)}`;
  return prepared({ sql: statement, row: lifecycleRow }, (found) => {
    const meta = found.find((row) => row.meta)?.meta;
    if (!meta) throw new Error("The statement gave no meta row");
    return {
      days: daysOf(found, days).slice(MONTH_DAYS),
      activeUsers: found.find((row) => row.kind === "range")?.a ?? 0,
      meta: metaOf(range, timezone, meta),
    };
  });
}

function daysOf(rows: readonly LifecycleRow[], days: readonly Bucket[]): DayOfUsers[] {
  const found = new Map(rows.map((row) => [`${row.kind}/${row.slot}`, row]));
  const usersOf = (kind: string, slot: number) => found.get(`${kind}/${slot}`)?.a ?? 0;
  let wau = 0;
  let mau = 0;
  return days.map(({ label }, index) => {
    const slot = index + 1;
    const dau = usersOf("day", slot);
    wau += dau - usersOf(`end${WEEK_DAYS}`, slot);
    mau += dau - usersOf(`end${MONTH_DAYS}`, slot);
    const firstTime = usersOf("new", slot);
    const returning = found.get(`day/${slot}`)?.b ?? 0;
    return {
      day: label.slice(0, 10),
      dau,
      wau,
      mau,
      stickiness: mau === 0 ? null : dau / mau,
      new: firstTime,
      returning,
      resurrected: dau - firstTime - returning,
      dormant: usersOf("dormant", slot),
    };
  });
}
