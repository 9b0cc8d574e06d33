with recursive slot as materialized (
  select '{2026-10-01T00:00:00.000Z, ... 96 values ..., 2026-10-04T23:00:00.000Z}'::timestamptz[] as starts,
    '{0, ... 96 values ..., 0}'::int[] as buckets, '{0, ... 96 values ..., 0}'::int[] as periods,
    '{2, ... 96 values ..., 1}'::int[] as hours, '{4, ... 96 values ..., 1}'::int[] as days
),
marked_hours(bucket) as (
  (
    select m.bucket
    from rollup_marks m
    where m.unit = 'hour' and "m"."workspace_id" = (select 'acme'::text)
      and m.bucket < '2026-10-05T00:00:00.000Z'::timestamptz
      and m.bucket >= '2026-10-01T00:00:00.000Z'::timestamptz
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
      and m.bucket >= '2026-10-01T00:00:00.000Z'::timestamptz
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
  where d.day < ('{}'::timestamptz[])[width_bucket(d.day, '{}'::timestamptz[])]
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
        d.hour, '{2026-10-01T00:00:00.000Z}'::timestamptz[]
      )]
    ) units
  ) numbered
  group by run
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out, ((select hours from slot)[r.slot])::text as "g0"
  from (
    select 'hour' as unit, "execution_metrics_hourly".bucket as at,
      width_bucket("execution_metrics_hourly".bucket, (select starts from slot)) as slot,
      "execution_metrics_hourly".status, "execution_metrics_hourly".executions
    from (
      select lo, hi
      from unnest(
        '{2026-10-01T00:00:00.000Z}'::timestamptz[], '{2026-10-05T00:00:00.000Z}'::timestamptz[]
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
    offset 0
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, 0 as out, ((select hours from slot)[r.slot])::text as "g0"
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status
    from raw_pieces s
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= s.lo and e.started_at < s.hi
        and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
        and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
      offset 0
    ) e
    offset 0
  ) r
),
rolled as materialized (select unit, at from rollup_rows group by unit, at),
cells_unranked as materialized (
  select "period", "out", "g0", "status", sum(executions)::bigint as executions, 0 as raw_rows
  from "rollup_rows"
  group by "period", "out", "g0", "status"
  union all
  select "period", "out", "g0", "status", count(*) as executions, count(*) as raw_rows
  from "raw_rows"
  group by "period", "out", "g0", "status"
),
top as materialized (
  select *
  from (
    with "cells" as (select * from "cells_unranked" where period = 0)
    select "g0", ("executions")::numeric::text as sort_value,
      row_number() over (order by "executions" desc nulls last, "g0") as rank
    from (select "g0", sum(executions)::bigint as executions from cells group by "g0") ranked_groups
  ) ranked
  where rank <= 100
),
cells as materialized (
  select r.*, coalesce(k.rank, 0) as rank from "cells_unranked" r left join top k on k."g0" = r."g0"
),
groups as (
  select "period", "out", "rank", sum(executions)::bigint as executions
  from cells
  group by "period", "out", "rank"
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
select f.period, f.out, f.rank::int, array[t."g0", t.sort_value], f.executions, null
from groups f
left join top t on t.rank = f.rank;
