with slot as materialized (
  select '{2026-09-27T00:00:00.000Z, ... 8 values ..., 2026-10-04T00:00:00.000Z}'::timestamptz[] as starts,
    '{0, ... 8 values ..., 3}'::int[] as buckets, '{1, ... 8 values ..., 0}'::int[] as periods,
    '{0, ... 8 values ..., 0}'::int[] as hours, '{0, ... 8 values ..., 0}'::int[] as days
),
marked as materialized (
  select hours, minutes,
    days + coalesce(
      (
        select range_agg(
          tstzrange(
            date_trunc('day', lower(r), 'UTC'),
            date_trunc('day', upper(r) - interval '1 microsecond', 'UTC') + interval '24 hours'
          )
        )
        from unnest(hours) r
      ),
      '{}'
    ) as days
  from (
    select marked_ranges(
      'acme', 'day', interval '24 hours', '2026-09-27T00:00:00.000Z'::timestamptz,
      '2026-10-05T00:00:00.000Z'::timestamptz
    ) as days,
      marked_ranges(
        'acme', 'hour', interval '1 hour', '2026-09-27T00:00:00.000Z'::timestamptz,
        '2026-10-05T00:00:00.000Z'::timestamptz
      ) as hours,
      '{}'::tstzmultirange as minutes
    offset 0
  ) m
),
pieces as materialized (
  select '{[2026-09-27T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange - m.days as day,
    '{}'::tstzmultirange as quarter, a.hours - m.hours as hour,
    b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) - m.minutes as minute,
    '{}'::tstzmultirange + (a.hours * m.hours - '{}'::tstzmultirange) + (
      b.minutes - tstzmultirange(
        tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
      )
    ) + b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) * m.minutes as raw
  from marked m
  cross join lateral (
    select '{}'::tstzmultirange + '{[2026-09-27T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange * m.days as hours
  ) a
  cross join lateral (
    select '{}'::tstzmultirange + a.hours * m.hours * '{}'::tstzmultirange as minutes
  ) b
),
rollup_rows as materialized (
  select r.*, (select periods from slot)[r.slot] as period,
    (select buckets from slot)[r.slot] as out
  from (
    select 'day' as unit, r.bucket as at, width_bucket(r.bucket, (select starts from slot)) as slot,
      r.status, r.executions, case when r.status = '' then r.user_chunks end as user_chunks, case
      when r.status = '' then r.user_bits end as user_bits
    from unnest((select day from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_daily r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
      offset 0
    ) r
    union all
    select 'hour' as unit, r.bucket as at,
      width_bucket(r.bucket, (select starts from slot)) as slot, r.status, r.executions, case
      when r.status = '' then r.user_chunks end as user_chunks, case
      when r.status = '' then r.user_bits end as user_bits
    from unnest((select hour from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_hourly r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
      offset 0
    ) r
    offset 0
  ) r
),
raw_rows as materialized (
  select r.*, (select periods from slot)[r.slot] as period,
    (select buckets from slot)[r.slot] as out
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status, e.user_id
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
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
    select "period", "out", null, active_users
    from (
      select "period", "out", sum(coalesce(bit_count(bits), 1))::bigint as active_users
      from (select "period", "out", bits from users) sets
      group by "period", "out"
    ) active_users
  ) parts
  group by "period", "out"
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
from (
  select sums.*, null::bigint as active_users
  from (select "period", sum(executions)::bigint as executions from cells group by "period") sums
  union all
  select "period", null, active_users
  from (
    select "period", sum(coalesce(bit_count(bits), 1))::bigint as active_users
    from (select "period", bit_or(bits) as bits from users group by "period", chunk, id) sets
    group by "period"
  ) active_users
) total
union all
select f.period, f.out, 0, null, f.executions, f.active_users, null
from groups f;
