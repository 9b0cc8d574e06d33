with slot as materialized (
  select '{2026-08-31T22:00:00.000Z, ... 35 values ..., 2026-10-04T22:00:00.000Z}'::timestamptz[] as starts
),
dirty_hours(hour) as materialized (
  select generate_series(lower(r), upper(r) - interval '1 hour', interval '1 hour')
  from unnest(
    marked_ranges(
      'acme', 'hour', interval '1 hour', '2000-01-01T00:00:00.000Z'::timestamptz,
      '2026-10-05T22:00:00.000Z'::timestamptz
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
      '2026-10-05T22:00:00.000Z'::timestamptz
    )
  ) r
),
presence_pieces as materialized (
  select slot, day, mask::bit(96) as mask, lo, hi
  from unnest(
    '{1, ... 70 values ..., 35}'::int[],
    '{2026-08-31T00:00:00.000Z, ... 70 values ..., 2026-10-05T00:00:00.000Z}'::timestamptz[],
    '{0{88}1{8}, ... 70 values ..., 1{88}0{8}}'::text[],
    '{2026-08-31T22:00:00.000Z, ... 70 values ..., 2026-10-05T00:00:00.000Z}'::timestamptz[],
    '{2026-09-01T00:00:00.000Z, ... 70 values ..., 2026-10-05T22:00:00.000Z}'::timestamptz[]
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
    and ((p.mask is null and a.present <> B'0{96}') or (a.present & p.mask) <> B'0{96}')
),
raw_presence as materialized (
  select p.slot, e.user_id
  from raw_pieces p
  cross join lateral (
    select e.user_id
    from executions e
    where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and e.started_at >= p.lo and e.started_at < p.hi
      and e.started_at >= '2026-08-31T22:00:00.000Z'::timestamptz
      and e.started_at < '2026-10-05T22:00:00.000Z'::timestamptz and e.user_id is not null
    offset 0
  ) e
),
active as materialized (
  select slot, user_id
  from (
    select slot, user_id
    from rolled_presence
    union all
    select slot, user_id
    from raw_presence
    union all
    select width_bucket(v.occurred_at, (select starts from slot)), v.user_id
    from events v
    where "v"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and v.occurred_at >= '2026-08-31T22:00:00.000Z'::timestamptz
      and v.occurred_at < '2026-10-05T22:00:00.000Z'::timestamptz
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
          and p.bucket < '2026-10-05T22:00:00.000Z'::timestamptz and p.present <> B'0{96}'
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
        and e.started_at < '2026-10-05T22:00:00.000Z'::timestamptz and e.user_id is not null
      offset 0
    ) e
    group by e.user_id
    union all
    select u.user_id,
      (
        select min(v.occurred_at)
        from events v
        where "v"."workspace_id" = (select 'acme'::text) and v.user_id = u.user_id
          and v.occurred_at < '2026-10-05T22:00:00.000Z'::timestamptz
      )
    from seen_users u
  ) firsts(user_id, at)
  where at < '2026-10-05T22:00:00.000Z'::timestamptz
  group by user_id
),
neighbours as (
  select slot, lag(slot) over w as before, lead(slot) over w as after
  from active window w as (partition by user_id order by slot)
),
moves as materialized (
  select slot, coalesce(slot - before <= 30::int, false) as returned, after, count(*) as n
  from neighbours
  group by 1, 2, 3
),
starts as (
  select width_bucket(at, (select starts from slot)) as slot, count(*) as n
  from first_seen
  group by 1
)
select 'day' as kind, slot, sum(n)::bigint as a, sum(n) filter (where returned)::bigint as b,
  null::jsonb as meta
from moves
group by slot
union all
select 'new', slot, n, null::bigint, null
from starts
union all
select 'end7', least(slot + 7::int, after), sum(n)::bigint, null::bigint, null::jsonb
from moves
group by 2
union all
select 'end30', least(slot + 30::int, after), sum(n)::bigint, null::bigint, null::jsonb
from moves
group by 2
union all
select 'dormant', slot + 30::int, sum(n)::bigint, null::bigint, null
from moves
where after is null or after > slot + 30::int
group by 2
union all
select 'range', null, count(*), null::bigint, null
from (select user_id from active where slot > 30::int group by user_id) users
union all
select 'meta', null, null::bigint, null::bigint,
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
