with slot as materialized (
  select '{2026-09-27T22:00:00.000Z, ... 5 values ..., 2026-10-25T23:00:00.000Z}'::timestamptz[] as starts
),
dirty_hours(hour) as materialized (
  select generate_series(lower(r), upper(r) - interval '1 hour', interval '1 hour')
  from unnest(
    marked_ranges(
      'acme', 'hour', interval '1 hour', '2000-01-01T00:00:00.000Z'::timestamptz,
      '2026-11-01T23:00:00.000Z'::timestamptz
    )
  ) r
),
dirty_days(day) as materialized (
  select date_trunc('day', hour, 'UTC')
  from dirty_hours
  union
  select generate_series(lower(r), upper(r) - interval '24 hours', interval '24 hours')
  from unnest(
    marked_ranges(
      'acme', 'day', interval '24 hours', '2000-01-01T00:00:00.000Z'::timestamptz,
      '2026-11-01T23:00:00.000Z'::timestamptz
    )
  ) r
),
presence_pieces as materialized (
  select slot, day, mask::bit(96) as mask, lo, hi
  from unnest(
    '{1, ... 40 values ..., 5}'::int[],
    '{2026-09-27T00:00:00.000Z, ... 40 values ..., 2026-11-01T00:00:00.000Z}'::timestamptz[],
    '{0{88}1{8}, ... 40 values ..., 1{92}0{4}}'::text[],
    '{2026-09-27T22:00:00.000Z, ... 40 values ..., 2026-11-01T00:00:00.000Z}'::timestamptz[],
    '{2026-09-28T00:00:00.000Z, ... 40 values ..., 2026-11-01T23:00:00.000Z}'::timestamptz[]
  ) as p(slot, day, mask, lo, hi)
),
raw_pieces as materialized (
  select slot, lo, hi
  from presence_pieces p
  where exists (select from dirty_days d where d.day = p.day)
  union all
  select *
  from unnest('{}'::int[], '{}'::timestamptz[], '{}'::timestamptz[])
),
rolled_presence as materialized (
  select p.slot, a.user_id
  from presence_pieces p
  cross join lateral (
    select a.*
    from user_presence_daily a
    where "a"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and a.bucket = p.day
    offset 0
  ) a
  where not exists (select from dirty_days d where d.day = p.day)
    and ((p.mask is null and a.succeeded <> B'0{96}') or (a.succeeded & p.mask) <> B'0{96}')
),
raw_presence as materialized (
  select p.slot, e.user_id
  from raw_pieces p
  cross join lateral (
    select e.user_id
    from executions e
    where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and e.started_at >= p.lo and e.started_at < p.hi
      and e.started_at >= '2026-09-27T22:00:00.000Z'::timestamptz
      and e.started_at < '2026-11-01T23:00:00.000Z'::timestamptz and e.user_id is not null
      and e.status = 'success'
    offset 0
  ) e
),
active as materialized (
  select slot, user_id
  from (
    select slot, user_id from rolled_presence union all select slot, user_id from raw_presence
  ) every(slot, user_id)
  group by slot, user_id
),
seen_users as materialized (select distinct user_id from (select user_id from active) users),
first_seen as materialized (
  select user_id, min(at) as at
  from (
    select u.user_id,
      (
        select p.bucket + (position(B'1' in p.present) - 1) * interval '15 minutes'
        from user_presence_daily p
        where "p"."workspace_id" = (select 'acme'::text) and p.user_id = u.user_id
          and p.bucket < '2026-11-01T23:00:00.000Z'::timestamptz and p.present <> B'0{96}'
          and p.bucket not in (select day from dirty_days)
        order by p.bucket
        limit 1
      ) as at
    from seen_users u
    union all
    select e.user_id, min(e.started_at)
    from dirty_days d
    cross join lateral (
      select e.user_id, e.started_at
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= d.day and e.started_at < d.day + interval '24 hours'
        and e.started_at < '2026-11-01T23:00:00.000Z'::timestamptz and e.user_id is not null
      offset 0
    ) e
    group by e.user_id
    union all
    select u.user_id,
      (
        select min(v.occurred_at)
        from events v
        where "v"."workspace_id" = (select 'acme'::text) and v.user_id = u.user_id
          and v.occurred_at < '2026-11-01T23:00:00.000Z'::timestamptz
      )
    from seen_users u
  ) firsts(user_id, at)
  where at < '2026-11-01T23:00:00.000Z'::timestamptz
  group by user_id
),
members as materialized (
  select user_id, width_bucket(at, (select starts from slot)) - 1 as cohort
  from first_seen
  where at >= (select starts[1] from slot)
),
pairs as materialized (
  select m.cohort, a.slot - 1 - m.cohort as k, a.user_id
  from active a
  join members m
  using (user_id)
  where a.slot - 1 >= m.cohort
),
users as (
  select cohort, user_id, max(k) as last, min(k) filter (where k > 0) as back
  from pairs
  group by cohort, user_id
)
select 'size' as kind, cohort, null::int as
offset, count(*) as users, null::jsonb as meta
from members
group by cohort
union all
select 'present', cohort, k, count(*), null
from pairs
where k <= 4::int
group by cohort, k
union all
select 'last', cohort, least(last, 4::int), count(*), null
from users
group by 2, 3
union all
select 'back', cohort, back, count(*), null
from users
where back <= 4::int
group by cohort, back
union all
select 'meta', null::int, null::int, null,
  jsonb_build_object(
    'as_of', now(), 'complete_until',
    least(
      now(),
      (
        select min(bucket)
        from rollup_marks m
        where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      ),
      running_since(
        'acme',
        (
          select min(h.bucket)
          from execution_metrics_hourly h
          where "h"."workspace_id" = (select 'acme'::text) and h.grain = 'total'
            and h.status = 'running'
        )
      )
    ),
    'hourly', 0, 'raw', (select count(*) from raw_presence), 'daily',
    (
      select count(distinct p.day)
      from presence_pieces p
      where not exists (select from dirty_days d where d.day = p.day)
        and p.slot in (select slot from rolled_presence group by slot)
    )
  );
