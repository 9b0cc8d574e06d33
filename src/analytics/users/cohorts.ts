import { sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { type AnswerMeta, metaOf } from "../result/meta.ts";
import { type MetaRow, metaRow } from "../result/meta-row.ts";
import { type Bucket, rangeOfBuckets } from "../time/range.ts";
import { type CohortMembership, cohortTables } from "./cohort-members.ts";
import { presenceMeta, userPresence } from "./presence.ts";

/** Users by cohort and offset, both counted from 0: the matrices of retention are made of them. */
export interface CohortCounts {
  sizes: number[];
  /** Users of the cohort who were present in bucket cohort + offset. */
  present: number[][];
  /** Users last present in bucket cohort + offset; later presence counts at the last offset. */
  last: number[][];
  /** Users who came back for the first time (offset >= 1) in bucket cohort + offset. */
  back: number[][];
  meta: AnswerMeta;
}

/** A cohort as a whole. */
export interface CohortTotals {
  size: number;
  /** Members who came back in a later bucket. */
  returned: number;
  /** Members who were present in the bucket that was asked for. */
  active: number;
}

const cohortRow = z.object({
  kind: z.string(),
  cohort: z.number().nullable(),
  offset: z.number().nullable(),
  users: z.number().nullable(),
  meta: metaRow.nullable(),
});
type CohortRow = z.output<typeof cohortRow>;

const NULL_INT = sql.raw("null::int");

const SIZE_ROWS = sql`
  select 'size' as kind, cohort, ${NULL_INT} as offset, count(*) as users, null::jsonb as meta
  from members
  group by cohort`;
const metaRows = (workspaceId: string) => sql`
  select 'meta', ${NULL_INT}, ${NULL_INT}, null, ${presenceMeta(workspaceId)}`;

function metaIn(rows: readonly CohortRow[]): MetaRow {
  const meta = rows.find((row) => row.meta)?.meta;
  if (!meta) throw new Error("The statement gave no meta row");
  return meta;
}

/** Users of one kind of row by their cohort. */
function usersByCohort(rows: readonly CohortRow[], kind: string, cohorts: number): number[] {
  const users = new Array<number>(cohorts).fill(0);
  for (const row of rows) if (row.kind === kind) users[row.cohort ?? 0] = row.users ?? 0;
  return users;
}

/** Users of one kind of row by their cohort and offset; an offset without users may be absent. */
function usersByOffset(rows: readonly CohortRow[], kind: string, cohorts: number): number[][] {
  const users = Array.from({ length: cohorts }, (): number[] => []);
  for (const row of rows) {
    const ofCohort = row.kind === kind ? users[row.cohort ?? 0] : undefined;
    if (ofCohort) ofCohort[row.offset ?? 0] = row.users ?? 0;
  }
  return users;
}

/**
 * Users by the bucket of their first activity ever, and the later buckets in which they were
 * present.
 * @param maxOffset the last offset that is asked for
 */
export function cohortCounts(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
  membership: CohortMembership,
  maxOffset: number,
): PreparedQuery<CohortCounts> {
  const statement = sql`${cohortTables(workspaceId, buckets, membership)},
  users as (
    select cohort, user_id, max(k) as last, min(k) filter (where k > 0) as back
    from pairs
    group by cohort, user_id
  )${SIZE_ROWS}
  union all
  select 'present', cohort, k, count(*), null
  from pairs
  where k <= ${maxOffset}::int
  group by cohort, k
  union all
  select 'last', cohort, least(last, ${maxOffset}::int), count(*), null
  from users
  group by 2, 3
  union all
  select 'back', cohort, back, count(*), null
  from users
  where back <= ${maxOffset}::int
  group by cohort, back
  union all${metaRows(workspaceId)}`;
  return prepared({ sql: statement, row: cohortRow }, (rows) => ({
    sizes: usersByCohort(rows, "size", buckets.length),
    present: usersByOffset(rows, "present", buckets.length),
    last: usersByOffset(rows, "last", buckets.length),
    back: usersByOffset(rows, "back", buckets.length),
    meta: metaOf(rangeOfBuckets(buckets), timezone, metaIn(rows)),
  }));
}

/**
 * Each cohort with its members who came back at all, and those present in one bucket: a row a
 * cohort, however many there are.
 * @param at place of that bucket; only earlier cohorts have returning members in it
 */
export function cohortTotals(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
  membership: CohortMembership,
  at: number,
): PreparedQuery<{ totals: CohortTotals[]; meta: AnswerMeta }> {
  const statement = sql`${cohortTables(workspaceId, buckets, membership)}${SIZE_ROWS}
  union all
  select 'back', cohort, ${NULL_INT}, count(distinct user_id), null
  from pairs
  where k > 0
  group by cohort
  union all
  select 'active', cohort, ${NULL_INT}, count(*), null
  from pairs
  where k > 0 and cohort + k = ${at}::int
  group by cohort
  union all${metaRows(workspaceId)}`;
  return prepared({ sql: statement, row: cohortRow }, (rows) => {
    const sizes = usersByCohort(rows, "size", buckets.length);
    const returned = usersByCohort(rows, "back", buckets.length);
    const active = usersByCohort(rows, "active", buckets.length);
    const totals = buckets.map((_, index) => ({
      size: sizes[index] ?? 0,
      returned: returned[index] ?? 0,
      active: active[index] ?? 0,
    }));
    return { totals, meta: metaOf(rangeOfBuckets(buckets), timezone, metaIn(rows)) };
  });
}

export interface RetainedUsers {
  /** Users of the bucket. */
  active: number;
  /** Of them, those who were present in the next bucket too. */
  kept: number;
}

/** Users of each bucket, and how many of them the next one kept. */
export function retainedUsers(
  workspaceId: string,
  buckets: readonly Bucket[],
  timezone: string,
): PreparedQuery<{ buckets: RetainedUsers[]; meta: AnswerMeta }> {
  const statement = sql`with ${userPresence(workspaceId, buckets, { of: "activity" })},
  neighbours as (
    select slot, lead(slot) over (partition by user_id order by slot) as after
    from active
  )
  select 'bucket' as kind, slot as cohort,
    count(*) filter (where after = slot + 1)::int as offset,
    count(*) as users,
    null::jsonb as meta
  from neighbours
  group by slot
  union all
  select 'meta', null, null, null, ${presenceMeta(workspaceId)}`;
  return prepared({ sql: statement, row: cohortRow }, (rows) => {
    const found = new Map(rows.map((row) => [row.cohort, row]));
    const kept = buckets.map((_, index) => ({
      active: found.get(index + 1)?.users ?? 0,
      kept: found.get(index + 1)?.offset ?? 0,
    }));
    return { buckets: kept, meta: metaOf(rangeOfBuckets(buckets), timezone, metaIn(rows)) };
  });
}
