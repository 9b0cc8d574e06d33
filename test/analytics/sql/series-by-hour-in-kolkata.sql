with recursive slot as materialized (
  select '{2026-10-01T18:30:00.000Z, ... 24 values ..., 2026-10-02T17:30:00.000Z}'::timestamptz[] as starts,
    '{0, ... 24 values ..., 23}'::int[] as buckets, '{0, ... 24 values ..., 0}'::int[] as periods,
    '{0, ... 24 values ..., 0}'::int[] as hours, '{0, ... 24 values ..., 0}'::int[] as days
),
marked_hours(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-02T18:30:00.000Z'::timestamptz
      and m.bucket >= '2026-10-01T18:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-02T18:30:00.000Z'::timestamptz and m.bucket > d.bucket
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
      and m.bucket < '2026-10-02T18:30:00.000Z'::timestamptz
      and m.bucket >= '2026-10-01T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-02T18:30:00.000Z'::timestamptz and m.bucket > d.bucket
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
days_without_quarters as materialized (
  select d.day
  from unnest('{2026-10-01T00:00:00.000Z,2026-10-02T00:00:00.000Z}'::timestamptz[]) d(day)
  where d.day in (select day from dirty_days)
    or not exists (
      select
      from execution_quarters_daily q
      where "q"."workspace_id" = (select 'acme'::text) and q.grain = 'total' and q.bucket = d.day
      offset 0
    )
),
fallback_hours(lo, hi) as materialized (
  select d.day as lo, d.day + interval '24 hours' as hi
  from dirty_days d
  where d.day < ('{}'::timestamptz[])[width_bucket(d.day, '{}'::timestamptz[])]
  union all
  select lo, hi
  from unnest('{}'::timestamptz[], '{}'::timestamptz[]) as s(lo, hi)
  where date_trunc('day', s.lo, 'UTC') in (select day from days_without_quarters)
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
      where d.hour < ('{}'::timestamptz[])[width_bucket(d.hour, '{}'::timestamptz[])]
    ) units
  ) numbered
  group by run
  union all
  select lo, hi
  from unnest(
    '{2026-10-01T18:30:00.000Z,2026-10-02T00:00:00.000Z}'::timestamptz[],
    '{2026-10-02T00:00:00.000Z,2026-10-02T18:30:00.000Z}'::timestamptz[]
  ) as s(lo, hi)
  where date_trunc('day', s.lo, 'UTC') in (select day from days_without_quarters)
),
rollup_rows as materialized (
  select r.*, 0 as period, (select buckets from slot)[r.slot] as out
  from (
    select 'day' as unit, at, slot, status, sum(executions)::bigint as executions
    from (
      select "execution_quarters_daily".bucket as at,
        width_bucket(q.at, (select starts from slot)) as slot, "execution_quarters_daily".status,
        q.executions
      from unnest(
        '{2026-10-01T18:30:00.000Z}'::timestamptz[], '{2026-10-02T18:30:00.000Z}'::timestamptz[]
      ) as s(lo, hi)
      cross join lateral (
        select "execution_quarters_daily".*
        from "execution_quarters_daily"
        where "execution_quarters_daily"."workspace_id" = any(
          array[(select 'acme'::text), (select 'acme'::text)]
        )
          and "execution_quarters_daily".grain = 'total'
          and "execution_quarters_daily".bucket >= date_trunc('day', s.lo, 'UTC')
          and "execution_quarters_daily".bucket < s.hi
        offset 0
      ) "execution_quarters_daily"
      cross join lateral (
        select "execution_quarters_daily".bucket + u.quarter * interval '15 minutes' as at,
          u.executions
        from unnest(
          "execution_quarters_daily".quarters, "execution_quarters_daily".executions
        ) u(quarter, executions)
        offset 0
      ) q
      where q.at >= s.lo and q.at < s.hi
        and "execution_quarters_daily".bucket not in (select day from days_without_quarters)
    ) counted
    group by at, slot, status
    union all
    select 'hour' as unit, "execution_metrics_hourly".bucket as at,
      width_bucket("execution_metrics_hourly".bucket, (select starts from slot)) as slot,
      "execution_metrics_hourly".status, "execution_metrics_hourly".executions
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
        and "execution_metrics_hourly".bucket < s.hi and "execution_metrics_hourly".status <> ''
      offset 0
    ) "execution_metrics_hourly"
    where "execution_metrics_hourly".bucket not in (select hour from dirty_hours)
    offset 0
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, (select buckets from slot)[r.slot] as out
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status
    from raw_pieces s
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= s.lo and e.started_at < s.hi
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
),
total as (select "period", sum(executions)::bigint as executions from cells group by "period")
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
from total
union all
select f.period, f.out, 0, null, f.executions, null
from groups f;
