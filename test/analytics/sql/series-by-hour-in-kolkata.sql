with slot as materialized (
  select '{2026-10-01T18:30:00.000Z, ... 24 values ..., 2026-10-02T17:30:00.000Z}'::timestamptz[] as starts,
    '{0, ... 24 values ..., 23}'::int[] as buckets, '{0, ... 24 values ..., 0}'::int[] as periods,
    '{0, ... 24 values ..., 0}'::int[] as hours, '{0, ... 24 values ..., 0}'::int[] as days
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
      'acme', 'day', interval '24 hours', '2026-10-01T00:00:00.000Z'::timestamptz,
      '2026-10-02T18:30:00.000Z'::timestamptz
    ) as days,
      marked_ranges(
        'acme', 'hour', interval '1 hour', '2026-10-01T18:00:00.000Z'::timestamptz,
        '2026-10-02T18:30:00.000Z'::timestamptz
      ) as hours,
      '{}'::tstzmultirange as minutes
    offset 0
  ) m
),
unquartered as materialized (
  select coalesce(range_agg(tstzrange(d.day, d.day + interval '24 hours')), '{}') as days
  from unnest('{2026-10-01T00:00:00.000Z,2026-10-02T00:00:00.000Z}'::timestamptz[]) d(day)
  where d.day <@ (select days from marked)
    or not exists (
      select
      from execution_quarters_daily q
      where "q"."workspace_id" = (select 'acme'::text) and q.grain = 'total' and q.bucket = d.day
      offset 0
    )
),
pieces as materialized (
  select '{}'::tstzmultirange - m.days as day,
    '{[2026-10-01T18:30:00.000Z,2026-10-02T18:30:00.000Z)}'::tstzmultirange - u.days as quarter,
    a.hours - m.hours as hour,
    b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) - m.minutes as minute,
    '{}'::tstzmultirange + '{[2026-10-01T18:30:00.000Z,2026-10-02T18:30:00.000Z)}'::tstzmultirange * u.days + (a.hours * m.hours - '{}'::tstzmultirange) + (
      b.minutes - tstzmultirange(
        tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
      )
    ) + b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) * m.minutes as raw
  from marked m
  cross join unquartered u
  cross join lateral (
    select '{}'::tstzmultirange + '{}'::tstzmultirange * m.days + '{}'::tstzmultirange * u.days as hours
  ) a
  cross join lateral (
    select '{}'::tstzmultirange + a.hours * m.hours * '{}'::tstzmultirange + '{}'::tstzmultirange * u.days as minutes
  ) b
),
rollup_rows as materialized (
  select r.*, 0 as period, (select buckets from slot)[r.slot] as out
  from (
    select 'day' as unit, at, slot, status, sum(executions)::bigint as executions
    from (
      select r.bucket as at, width_bucket(q.at, (select starts from slot)) as slot, r.status,
        q.executions
      from unnest((select quarter from pieces)) as s(piece)
      cross join lateral (
        select r.*
        from execution_quarters_daily r
        where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
          and r.grain = 'total' and r.bucket >= date_trunc('day', lower(s.piece), 'UTC')
          and r.bucket < upper(s.piece)
        offset 0
      ) r
      cross join lateral (
        select r.bucket + u.quarter * interval '15 minutes' as at, u.executions
        from unnest(r.quarters, r.executions) u(quarter, executions)
        offset 0
      ) q
      where q.at >= lower(s.piece) and q.at < upper(s.piece)
    ) counted
    group by at, slot, status
    union all
    select 'hour' as unit, r.bucket as at,
      width_bucket(r.bucket, (select starts from slot)) as slot, r.status, r.executions
    from unnest((select hour from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_hourly r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
        and r.status <> ''
      offset 0
    ) r
    offset 0
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, (select buckets from slot)[r.slot] as out
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
        and e.started_at >= '2026-10-01T18:30:00.000Z'::timestamptz
        and e.started_at < '2026-10-02T18:30:00.000Z'::timestamptz
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
cells as not materialized (select r.* from "cells_unranked" r),
groups as (
  select "period", "out", sum(executions)::bigint as executions from cells group by "period", "out"
)
select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups,
  null as executions,
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
select period, null, null, null, total.executions, null
from (
  select sums.*
  from (select "period", sum(executions)::bigint as executions from cells group by "period") sums
) total
union all
select f.period, f.out, 0, null, f.executions, null
from groups f;
