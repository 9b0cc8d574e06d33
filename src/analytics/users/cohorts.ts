import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { formatInstant } from "../../lib/time.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { metaRow } from "../result/meta-row.ts";
import { inRanges } from "../rollups/marks.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import type { TimeRange } from "../time/time-range.ts";
import {
  type ActivityKind,
  eventsWhere,
  firstSeen,
  presenceMeta,
  slotOf,
  userPresence,
} from "./presence.ts";

/** What the matrices of retention are made of: users by cohort and offset, both counted from 0. */
export interface CohortCounts {
  sizes: number[];
  /** Users of the cohort who were there in bucket cohort + offset. */
  present: number[][];
  /** Users whose last such bucket is cohort + offset; those who were there even later stand at the last offset. */
  last: number[][];
  /** Users who came back for the first time (offset >= 1) in bucket cohort + offset. */
  back: number[][];
  meta: AnswerMeta;
}

/** A cohort as a whole. */
export interface CohortTotals {
  size: number;
  /** Who came back in a later bucket. */
  returned: number;
  /** Who was there in the bucket that was asked for. */
  active: number;
}

/** Who becomes a member, and what counts as being there. */
export interface CohortMembership {
  /** The first time ever, so one that was seen before the range is of no cohort in it. */
  entry: ActivityKind;
  back: ActivityKind;
}

const row = z.object({
  kind: z.string(),
  cohort: z.number().nullable(),
  offset: z.number().nullable(),
  users: z.number().nullable(),
  meta: metaRow.nullable(),
});
type CohortRow = z.output<typeof row>;

const NONE = sql`null::int`;

/** CTEs: `members(user_id, cohort)`, and `pairs(cohort, k, user_id)`, the offsets at which each was there. */
function membership(
  workspaceId: string,
  buckets: readonly Bucket[],
  { entry, back }: CohortMembership,
): SQL {
  const range = rangeOfBuckets(buckets);
  const from = sql`(select starts[1] from slot)`;
  const universe =
    entry.of === "event"
      ? sql`select v.user_id from events v where ${inWorkspace(workspaceId, "v")}${eventsWhere(entry)}`
      : back.of === "event"
        ? visitors(workspaceId, range)
        : sql`select user_id from active`;
  return sql`with recursive ${userPresence(workspaceId, buckets, back)}, ${firstSeen(workspaceId, entry, universe, range.to)},
    members as materialized (
      select user_id, ${slotOf(sql`at`)} - 1 as cohort from first_seen where at >= ${from}),
    pairs as materialized (select m.cohort, a.slot - 1 - m.cohort as k, a.user_id
      from active a join members m using (user_id) where a.slot - 1 >= m.cohort)`;
}

const sizesSql = sql`select 'size' as kind, cohort, ${NONE} as offset, count(*) as users,
  null::jsonb as meta from members group by cohort`;
const metaSql = (workspaceId: string) =>
  sql`select 'meta', ${NONE}, ${NONE}, null, ${presenceMeta(workspaceId)}`;

function aboutOf(rows: readonly CohortRow[]) {
  const about = rows.find((each) => each.meta)?.meta;
  if (!about) throw new Error("The statement gave no meta row");
  return about;
}

/** Users of one kind by their cohort. */
function byCohort(rows: readonly CohortRow[], kind: string, cohorts: number): number[] {
  const users = new Array<number>(cohorts).fill(0);
  for (const each of rows) if (each.kind === kind) users[each.cohort ?? 0] = each.users ?? 0;
  return users;
}

/**
 * Users by the bucket of their first sign ever, and the buckets in which they were there afterwards.
 * @param most the last offset that is asked for
 */
export function cohortCounts(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
  of: CohortMembership,
  most: number,
): PreparedQuery<CohortCounts> {
  const statement = sql`${membership(workspaceId, buckets, of)},
    users as (select cohort, user_id, max(k) as last, min(k) filter (where k > 0) as back
      from pairs group by cohort, user_id)
    ${sizesSql}
    union all select 'present', cohort, k, count(*), null from pairs
      where k <= ${most}::int group by cohort, k
    union all select 'last', cohort, least(last, ${most}::int), count(*), null from users
      group by 2, 3
    union all select 'back', cohort, back, count(*), null from users
      where back <= ${most}::int group by cohort, back
    union all ${metaSql(workspaceId)}`;
  return prepared({ sql: statement, row }, (rows) => {
    const matrix = (kind: string) => {
      const users = buckets.map((): number[] => []);
      for (const { kind: of, cohort, offset, users: count } of rows) {
        const line = of === kind ? users[cohort ?? 0] : undefined;
        if (line) line[offset ?? 0] = count ?? 0;
      }
      return users;
    };
    return {
      sizes: byCohort(rows, "size", buckets.length),
      present: matrix("present"),
      last: matrix("last"),
      back: matrix("back"),
      meta: metaOf(rangeOfBuckets(buckets), timezone, aboutOf(rows)),
    };
  });
}

/**
 * Each cohort with how many came back at all, and how many were there in one bucket: a row a cohort, however many there are.
 * @param at place of that bucket; only cohorts before it have users who are there still
 */
export function cohortTotals(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
  of: CohortMembership,
  at: number,
): PreparedQuery<{ totals: CohortTotals[]; meta: AnswerMeta }> {
  const statement = sql`${membership(workspaceId, buckets, of)} ${sizesSql}
    union all select 'back', cohort, ${NONE}, count(distinct user_id), null from pairs
      where k > 0 group by cohort
    union all select 'active', cohort, ${NONE}, count(*), null from pairs
      where k > 0 and cohort + k = ${at}::int group by cohort
    union all ${metaSql(workspaceId)}`;
  return prepared({ sql: statement, row }, (rows) => {
    const [sizes, back, active] = ["size", "back", "active"].map((kind) =>
      byCohort(rows, kind, buckets.length),
    );
    const totals = buckets.map((_, index) => ({
      size: sizes?.[index] ?? 0,
      returned: back?.[index] ?? 0,
      active: active?.[index] ?? 0,
    }));
    return { totals, meta: metaOf(rangeOfBuckets(buckets), timezone, aboutOf(rows)) };
  });
}

/** Everybody who was there in a range: `active` holds only those who did what counts as coming back. */
function visitors(workspaceId: string, range: TimeRange): SQL {
  const [from, to] = [
    sql`${formatInstant(range.from)}::timestamptz`,
    sql`${formatInstant(range.to)}::timestamptz`,
  ];
  return sql`select a.user_id from user_presence_daily a where ${keyInWorkspace(workspaceId, "a")} and a.bucket > ${from} - interval '24 hours' and a.bucket < ${to}
    union all select e.user_id from dirty_days d cross join lateral (select e.user_id from executions e
      where ${keyInWorkspace(workspaceId, "e")} and e.started_at >= d.day and e.started_at < d.day + interval '24 hours'
        and ${inRanges(sql`e.started_at`, [range])} and e.user_id is not null offset 0) e
    union all select v.user_id from events v where ${keyInWorkspace(workspaceId, "v")} and v.occurred_at >= ${from} and v.occurred_at < ${to}`;
}

/** Users of each bucket, and how many of them were there in the next one too. */
export interface RetainedUsers {
  active: number;
  kept: number;
}

export function retainedUsers(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
): PreparedQuery<{ buckets: RetainedUsers[]; meta: AnswerMeta }> {
  const statement = sql`with recursive ${userPresence(workspaceId, buckets, { of: "activity" })},
    neighbours as (select slot, lead(slot) over (partition by user_id order by slot) as after from active)
    select 'bucket' as kind, slot as cohort, count(*) filter (where after = slot + 1)::int as offset, count(*) as users, null::jsonb as meta from neighbours group by slot
    union all select 'meta', null, null, null, ${presenceMeta(workspaceId)}`;
  return prepared({ sql: statement, row }, (rows) => {
    const found = new Map(rows.map((each) => [each.cohort, each]));
    const kept = buckets.map((_, index) => ({
      active: found.get(index + 1)?.users ?? 0,
      kept: found.get(index + 1)?.offset ?? 0,
    }));
    return { buckets: kept, meta: metaOf(rangeOfBuckets(buckets), timezone, aboutOf(rows)) };
  });
}
