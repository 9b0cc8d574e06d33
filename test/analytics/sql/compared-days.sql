with recursive slot as materialized (
  select '{2026-09-27T00:00:00.000Z, ... 8 values ..., 2026-10-04T00:00:00.000Z}'::timestamptz[] as starts,
    '{0, ... 8 values ..., 3}'::int[] as buckets, '{1, ... 8 values ..., 0}'::int[] as periods,
    '{0, ... 8 values ..., 0}'::int[] as hours, '{0, ... 8 values ..., 0}'::int[] as days
),
marked_hours(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz
      and m.bucket >= '2026-09-27T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz and m.bucket > d.bucket
    order by m.bucket
    limit 1
  )
  from marked_hours d
  where d.bucket is not null
),
dirty_hours as materialized (select bucket as hour from marked_hours where bucket is not null),
marked_days(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz
      and m.bucket >= '2026-09-27T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz and m.bucket > d.bucket
    order by m.bucket
    limit 1
  )
  from marked_days d
  where d.bucket is not null
),
dirty_days as materialized (
  select date_trunc('day', hour, 'UTC') as day
  from dirty_hours
  union
  select bucket
  from marked_days
  where bucket is not null
),
fallback_hours(lo, hi) as materialized (
  select d.day as lo, d.day + interval '24 hours' as hi
  from dirty_days d
  where d.day < ('{2026-10-05T00:00:00.000Z}'::timestamptz[])[width_bucket(d.day, '{2026-09-27T00:00:00.000Z}'::timestamptz[])]
),
raw_pieces(lo, hi) as materialized (
  select lo, hi
  from unnest('{}'::timestamptz[], '{}'::timestamptz[]) as s(lo, hi)
  union all
  select min(at) as lo, max(at) + interval '1 hour' as hi
  from (
    select at, at - row_number() over (order by at) * interval '1 hour' as run
    from (
      select d.hour as at
      from dirty_hours d
      where d.hour < ('{2026-10-05T00:00:00.000Z}'::timestamptz[])[width_bucket(
        d.hour, '{2026-09-27T00:00:00.000Z}'::timestamptz[]
      )]
    ) units
  ) numbered
  group by run
),
rollup_rows as materialized (
  select r.*, (select periods from slot)[r.slot] as period,
    (select buckets from slot)[r.slot] as out
  from (
    select 'day' as unit, "execution_metrics_daily".bucket as at,
      width_bucket("execution_metrics_daily".bucket, (select starts from slot)) as slot,
      "execution_metrics_daily".status, "execution_metrics_daily".executions, case
      when "execution_metrics_daily".status = '' then "execution_metrics_daily".user_chunks end as "user_chunks",
      case
      when "execution_metrics_daily".status = '' then "execution_metrics_daily".user_bits end as "user_bits"
    from unnest(
      '{2026-09-27T00:00:00.000Z}'::timestamptz[], '{2026-10-05T00:00:00.000Z}'::timestamptz[]
    ) as s(lo, hi)
    cross join lateral (
      select "execution_metrics_daily".*
      from "execution_metrics_daily"
      where "execution_metrics_daily"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_daily".grain = 'total' and "execution_metrics_daily".bucket >= s.lo
        and "execution_metrics_daily".bucket < s.hi
      offset 0
    ) "execution_metrics_daily"
    where "execution_metrics_daily".bucket not in (select day from dirty_days)
    union all
    select 'hour' as unit, "execution_metrics_hourly".bucket as at,
      width_bucket("execution_metrics_hourly".bucket, (select starts from slot)) as slot,
      "execution_metrics_hourly".status, "execution_metrics_hourly".executions, case
      when "execution_metrics_hourly".status = '' then "execution_metrics_hourly".user_chunks end as "user_chunks",
      case
      when "execution_metrics_hourly".status = '' then "execution_metrics_hourly".user_bits end as "user_bits"
    from (
      select lo, hi
      from unnest('{}'::timestamptz[], '{}'::timestamptz[]) as s(lo, hi)
      union all
      select lo, hi
      from fallback_hours
    ) as s
    cross join lateral (
      select "execution_metrics_hourly".*
      from "execution_metrics_hourly"
      where "execution_metrics_hourly"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_hourly".grain = 'total' and "execution_metrics_hourly".bucket >= s.lo
        and "execution_metrics_hourly".bucket < s.hi
      offset 0
    ) "execution_metrics_hourly"
    where "execution_metrics_hourly".bucket not in (select hour from dirty_hours)
    offset 0
  ) r
),
raw_rows as materialized (
  select r.*, (select periods from slot)[r.slot] as period,
    (select buckets from slot)[r.slot] as out
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status, e.user_id
    from raw_pieces s
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= s.lo and e.started_at < s.hi
        and e.started_at >= '2026-09-27T00:00:00.000Z'::timestamptz
        and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
      offset 0
    ) e
    offset 0
  ) r
),
rolled as materialized (select unit, at from rollup_rows group by unit, at),
cells_unranked as materialized (
  select "period", "out", "status", sum(executions)::bigint as executions, 0 as raw_rows
  from "rollup_rows"
  group by "period", "out", "status"
  union all
  select "period", "out", "status", count(*) as executions, count(*) as raw_rows
  from "raw_rows"
  group by "period", "out", "status"
),
users_unranked as materialized (
  select "period", "out", chunk, bit_or(bits) as bits, id
  from (
    select "period", "out", unnest(user_chunks) as chunk, unnest(user_bits) as bits,
      null::text as id
    from rollup_rows
    where status = ''
    union all
    select "period", "out", number / 256 as chunk, case
      when number is not null then set_bit(repeat('0', 256)::bit(256), number % 256, 1) end as bits,
      case when number is null then user_id end as id
    from (
      select "period", "out", user_id
      from raw_rows
      where user_id is not null
      group by "period", "out", user_id
    ) users full
    join (
      select n.user_id, n.number
      from user_numbers n
      where "n"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and n.user_id = any(
          array(select user_id from raw_rows where user_id is not null group by user_id)
        )
        and found_by_key(n.number)
      offset 0
    ) numbers
    using (user_id)
  ) every
  group by "period", "out", chunk, id
),
cells as not materialized (select r.* from "cells_unranked" r),
users as not materialized (select r.* from "users_unranked" r),
groups as (
  select "period", "out", max(executions) as executions,
    coalesce(max(active_users), 0) as active_users
  from (
    select sums.*, null::bigint as active_users
    from (
      select "period", "out", sum(executions)::bigint as executions
      from cells
      group by "period", "out"
    ) sums
    union all
    select "period", "out", null, "active_users"
    from (
      select "period", "out", sum(coalesce(bit_count(bits), 1))::bigint as active_users
      from (select "period", "out", bits from users) sets
      group by "period", "out"
    ) "active_users"
  ) parts
  group by "period", "out"
),
total as (
  select "period", max(executions) as executions, coalesce(max(active_users), 0) as active_users
  from (
    select sums.*, null::bigint as active_users
    from (select "period", sum(executions)::bigint as executions from cells group by "period") sums
    union all
    select "period", null, "active_users"
    from (
      select "period", sum(coalesce(bit_count(bits), 1))::bigint as active_users
      from (select "period", bit_or(bits) as bits from users group by "period", chunk, id) sets
      group by "period"
    ) "active_users"
  ) parts
  group by "period"
)
select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups,
  null as executions, null as active_users,
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
    'daily', (select count(*) from rolled where unit = 'day'), 'hourly',
    (select count(*) from rolled where unit = 'hour'), 'raw',
    (select coalesce(sum(raw_rows), 0) from cells_unranked)
  ) as meta
union all
select period, null, null, null, total.executions, total.active_users, null
from total
union all
select f.period, f.out, 0, null, f.executions, f.active_users, null
from groups f;
