with recursive slot as materialized (
  select '{2026-09-15T12:34:56.000Z}'::timestamptz[] as starts, '{0}'::int[] as buckets,
    '{0}'::int[] as periods, '{0}'::int[] as hours, '{0}'::int[] as days
),
marked_hours(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-15T12:34:56.000Z'::timestamptz
      and m.bucket >= '2026-09-15T12:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-15T12:34:56.000Z'::timestamptz and m.bucket > d.bucket
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
      and m.bucket < '2026-10-15T12:34:56.000Z'::timestamptz
      and m.bucket >= '2026-09-15T00:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'day' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-15T12:34:56.000Z'::timestamptz and m.bucket > d.bucket
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
  where d.day < ('{2026-10-15T00:00:00.000Z}'::timestamptz[])[width_bucket(d.day, '{2026-09-16T00:00:00.000Z}'::timestamptz[])]
),
marked_minutes(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'minute' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-15T13:00:00.000Z'::timestamptz
      and m.bucket >= '2026-10-15T10:00:00.000Z'::timestamptz
    order by m.bucket
    limit 1
  )
  union all
  select (
    select m.bucket
    from rollup_marks m
    where m.unit = 'minute' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-15T13:00:00.000Z'::timestamptz and m.bucket > d.bucket
    order by m.bucket
    limit 1
  )
  from marked_minutes d
  where d.bucket is not null
),
dirty_minutes as materialized (
  select bucket as minute from marked_minutes where bucket is not null
),
asked_minutes(lo, hi) as materialized (
  select lo, hi
  from unnest(
    '{2026-10-15T12:00:00.000Z}'::timestamptz[], '{2026-10-15T12:34:00.000Z}'::timestamptz[]
  ) as s(lo, hi)
  union all
  select min(at) as lo, max(at) + interval '1 hour' as hi
  from (
    select at, at - row_number() over (order by at) * interval '1 hour' as run
    from (
      select d.hour as at
      from dirty_hours d
      where d.hour < (
        '{2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z,2026-10-15T12:00:00.000Z}'::timestamptz[]
      )[width_bucket(
        d.hour,
        '{2026-09-15T13:00:00.000Z,2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z}'::timestamptz[]
      )]
        and d.hour >= '2026-10-15T10:00:00.000Z'::timestamptz
        and d.hour < '2026-10-15T13:00:00.000Z'::timestamptz
    ) units
  ) numbered
  group by run
),
minute_pieces(lo, hi) as materialized (
  select greatest(lo, date_trunc('hour', now(), 'UTC') - interval '2 hours'), hi
  from asked_minutes
  where hi > date_trunc('hour', now(), 'UTC') - interval '2 hours'
),
raw_pieces(lo, hi) as materialized (
  select lo, hi
  from unnest(
    '{2026-09-15T12:34:56.000Z,2026-10-15T12:34:00.000Z}'::timestamptz[],
    '{2026-09-15T13:00:00.000Z,2026-10-15T12:34:56.000Z}'::timestamptz[]
  ) as s(lo, hi)
  union all
  select min(at) as lo, max(at) + interval '1 hour' as hi
  from (
    select at, at - row_number() over (order by at) * interval '1 hour' as run
    from (
      select d.hour as at
      from dirty_hours d
      where d.hour < (
        '{2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z,2026-10-15T12:00:00.000Z}'::timestamptz[]
      )[width_bucket(
        d.hour,
        '{2026-09-15T13:00:00.000Z,2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z}'::timestamptz[]
      )]
        and not (
          d.hour >= '2026-10-15T10:00:00.000Z'::timestamptz
          and d.hour < '2026-10-15T13:00:00.000Z'::timestamptz
        )
    ) units
  ) numbered
  group by run
  union all
  select lo, least(hi, date_trunc('hour', now(), 'UTC') - interval '2 hours')
  from asked_minutes
  where lo < date_trunc('hour', now(), 'UTC') - interval '2 hours'
  union all
  select min(at) as lo, max(at) + interval '1 minute' as hi
  from (
    select at, at - row_number() over (order by at) * interval '1 minute' as run
    from (
      select d.minute as at
      from dirty_minutes d
      where exists (select from minute_pieces s where d.minute >= s.lo and d.minute < s.hi)
    ) units
  ) numbered
  group by run
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 'day' as unit, "execution_metrics_daily".bucket as at, 1 as slot,
      "execution_metrics_daily".status, "execution_metrics_daily".executions,
      "execution_metrics_daily"."credits"
    from unnest(
      '{2026-09-16T00:00:00.000Z}'::timestamptz[], '{2026-10-15T00:00:00.000Z}'::timestamptz[]
    ) as s(lo, hi)
    cross join lateral (
      select "execution_metrics_daily".*
      from "execution_metrics_daily"
      where "execution_metrics_daily"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_daily".grain = 'total' and "execution_metrics_daily".bucket >= s.lo
        and "execution_metrics_daily".bucket < s.hi and "execution_metrics_daily".status <> ''
      offset 0
    ) "execution_metrics_daily"
    where "execution_metrics_daily".bucket not in (select day from dirty_days)
    union all
    select 'hour' as unit, "execution_metrics_hourly".bucket as at, 1 as slot,
      "execution_metrics_hourly".status, "execution_metrics_hourly".executions,
      "execution_metrics_hourly"."credits"
    from (
      select lo, hi
      from unnest(
        '{2026-09-15T13:00:00.000Z,2026-10-15T00:00:00.000Z}'::timestamptz[],
        '{2026-09-16T00:00:00.000Z,2026-10-15T12:00:00.000Z}'::timestamptz[]
      ) as s(lo, hi)
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
    union all
    select 'hour' as unit, date_trunc('hour', "execution_metrics_minutely".bucket, 'UTC') as at,
      1 as slot, "execution_metrics_minutely".status, "execution_metrics_minutely".executions,
      "execution_metrics_minutely"."credits"
    from minute_pieces s
    cross join lateral (
      select "execution_metrics_minutely".*
      from "execution_metrics_minutely"
      where "execution_metrics_minutely"."workspace_id" = any(
        array[(select 'acme'::text), (select 'acme'::text)]
      )
        and "execution_metrics_minutely".grain = 'total'
        and "execution_metrics_minutely".bucket >= s.lo
        and "execution_metrics_minutely".bucket < s.hi and "execution_metrics_minutely".status <> ''
      offset 0
    ) "execution_metrics_minutely"
    where "execution_metrics_minutely".bucket not in (select minute from dirty_minutes)
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 1 as slot, e.status, e."credits"
    from raw_pieces s
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= s.lo and e.started_at < s.hi
        and e.started_at >= '2026-09-15T12:34:56.000Z'::timestamptz
        and e.started_at < '2026-10-15T12:34:56.000Z'::timestamptz
      offset 0
    ) e
  ) r
),
rolled as materialized (select unit, at from rollup_rows group by unit, at),
cells_unranked as materialized (
  select "period", "out", "status", sum(executions)::bigint as executions,
    sum(credits)::numeric as credits, 0 as raw_rows
  from "rollup_rows"
  group by "period", "out", "status"
  union all
  select "period", "out", "status", count(*) as executions, sum(credits) as credits,
    count(*) as raw_rows
  from "raw_rows"
  group by "period", "out", "status"
),
cells as not materialized (select r.* from "cells_unranked" r),
total as (
  select "period", sum(executions)::bigint as executions,
    coalesce(sum(executions) filter (where status = 'success'), 0)::bigint as successes,
    coalesce(sum(executions) filter (where status = 'failure'), 0)::bigint as failures,
    coalesce(sum(executions) filter (where status = 'timeout'), 0)::bigint as timeouts,
    coalesce(sum(executions) filter (where status = 'cancelled'), 0)::bigint as cancellations,
    coalesce(sum(executions) filter (where status = 'running'), 0)::bigint as running,
    round(coalesce(sum("credits"), 0), 6) as credits,
    round(coalesce(sum("credits"), 0) / sum(executions), 6) as credits_avg
  from cells
  group by "period"
)
select null::int as period, null::int as bucket, null::int as rank, null::text[] as groups,
  null as executions, null as successes, null as failures, null as timeouts, null as cancellations,
  null as running, null as credits, null as credits_avg,
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
select period, null, null, null, total.executions, total.successes, total.failures, total.timeouts,
  total.cancellations, total.running, total.credits, total.credits_avg, null
from total;
