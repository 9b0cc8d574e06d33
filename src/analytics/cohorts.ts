import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace } from "../db/scope.ts";
import { formatInstant } from "../lib/time.ts";
import { metaRow } from "./finish.ts";
import { eventsWhere, firstSeen, presence, presenceMeta, type Sign, slotOf } from "./presence.ts";
import { type Meta, metaOf, type Prepared, statementOf } from "./query.ts";
import { type Bucket, rangeOfBuckets, type TimeRange } from "./range.ts";

/** What the matrices of retention are made of; `cohort` and `offset` count buckets from 0. */
export interface CohortCounts {
  sizes: Map<number, number>;
  /** Users of the cohort who were there in bucket cohort + offset. */
  present: Map<string, number>;
  /** Users whose last such bucket is cohort + offset. */
  last: Map<string, number>;
  /** Users who came back for the first time (offset >= 1) in bucket cohort + offset. */
  back: Map<string, number>;
  meta: Meta;
}
export const cellKey = (cohort: number, offset: number) => `${cohort}/${offset}`;

const row = z.object({
  kind: z.string(),
  cohort: z.number().nullable(),
  offset: z.number().nullable(),
  users: z.number().nullable(),
  meta: metaRow.nullable(),
});

/**
 * Users by the bucket of their first sign ever, and the buckets in which they were there afterwards.
 * @param entry what makes a user a member: the first time ever, so one that was seen before the range is of no cohort in it
 * @param back what counts as being there
 */
export function cohorts(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
  entry: Sign,
  back: Sign,
): Prepared<CohortCounts> {
  const range = rangeOfBuckets(buckets);
  const from = sql`(select starts[1] from slot)`;
  const universe =
    entry.of === "event"
      ? sql`select v.user_id from events v where ${inWorkspace(workspaceId, "v")}${eventsWhere(entry)}`
      : back.of === "event"
        ? visitors(workspaceId, range)
        : sql`select user_id from active`;
  const none = sql`null::int`;
  const statement = sql`with recursive ${presence(workspaceId, buckets, back)}, ${firstSeen(workspaceId, entry, universe, range.to)},
    members as materialized (select user_id, ${slotOf(sql`at`)} - 1 as cohort from first_seen where at >= ${from}),
    pairs as materialized (select m.cohort, a.slot - 1 - m.cohort as k, a.user_id from active a join members m using (user_id) where a.slot - 1 >= m.cohort),
    users as (select cohort, user_id, max(k) as last, min(k) filter (where k > 0) as back from pairs group by cohort, user_id)
    select 'size' as kind, cohort, ${none} as offset, count(*) as users, null::jsonb as meta from members group by cohort
    union all select 'present', cohort, k, count(*), null from pairs group by cohort, k
    union all select 'last', cohort, last, count(*), null from users group by cohort, last
    union all select 'back', cohort, back, count(*), null from users where back is not null group by cohort, back
    union all select 'meta', ${none}, ${none}, null, ${presenceMeta(workspaceId)}`;
  return statementOf({ sql: statement, row }, (rows) => {
    const about = rows.find((each) => each.meta)?.meta;
    if (!about) throw new Error("The statement gave no meta row");
    const of = (kind: string) =>
      new Map(
        rows
          .filter((each) => each.kind === kind)
          .map((each) => [cellKey(each.cohort ?? 0, each.offset ?? 0), each.users ?? 0]),
      );
    const sizes = new Map(
      rows
        .filter((each) => each.kind === "size")
        .map((each) => [each.cohort ?? 0, each.users ?? 0]),
    );
    return {
      sizes,
      present: of("present"),
      last: of("last"),
      back: of("back"),
      meta: metaOf(range, timezone, about),
    };
  });
}

/** Everybody who was there in a range: `active` holds only those who did what counts as coming back. */
function visitors(workspaceId: string, range: TimeRange): SQL {
  const [from, to] = [
    sql`${formatInstant(range.from)}::timestamptz`,
    sql`${formatInstant(range.to)}::timestamptz`,
  ];
  return sql`select a.user_id from user_presence_daily a where ${inWorkspace(workspaceId, "a")} and a.bucket > ${from} - interval '24 hours' and a.bucket < ${to}
    union all select e.user_id from dirty_days d join executions e on ${inWorkspace(workspaceId, "e")} and e.started_at >= d.day and e.started_at < d.day + interval '24 hours' and e.user_id is not null
    union all select v.user_id from events v where ${inWorkspace(workspaceId, "v")} and v.occurred_at >= ${from} and v.occurred_at < ${to}`;
}

/** Users of each bucket, and how many of them were there in the next one too. */
export interface Kept {
  active: number;
  kept: number;
}

export function keptUsers(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
): Prepared<{ buckets: Kept[]; meta: Meta }> {
  const statement = sql`with recursive ${presence(workspaceId, buckets, { of: "activity" })},
    neighbours as (select slot, lead(slot) over (partition by user_id order by slot) as after from active)
    select 'bucket' as kind, slot as cohort, count(*) filter (where after = slot + 1)::int as offset, count(*) as users, null::jsonb as meta from neighbours group by slot
    union all select 'meta', null, null, null, ${presenceMeta(workspaceId)}`;
  return statementOf({ sql: statement, row }, (rows) => {
    const about = rows.find((each) => each.meta)?.meta;
    if (!about) throw new Error("The statement gave no meta row");
    const found = new Map(rows.map((each) => [each.cohort, each]));
    const kept = buckets.map((_, index) => ({
      active: found.get(index + 1)?.users ?? 0,
      kept: found.get(index + 1)?.offset ?? 0,
    }));
    return { buckets: kept, meta: metaOf(rangeOfBuckets(buckets), timezone, about) };
  });
}
