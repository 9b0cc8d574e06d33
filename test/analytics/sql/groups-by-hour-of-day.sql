with slot as materialized (
  select '{2026-10-01T00:00:00.000Z, ... 96 values ..., 2026-10-04T23:00:00.000Z}'::timestamptz[] as starts,
    '{0, ... 96 values ..., 0}'::int[] as buckets, '{0, ... 96 values ..., 0}'::int[] as periods,
    '{2, ... 96 values ..., 1}'::int[] as hours, '{4, ... 96 values ..., 1}'::int[] as days
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
      '2026-10-05T00:00:00.000Z'::timestamptz
    ) as days,
      marked_ranges(
        'acme', 'hour', interval '1 hour', '2026-10-01T00:00:00.000Z'::timestamptz,
        '2026-10-05T00:00:00.000Z'::timestamptz
      ) as hours,
      '{}'::tstzmultirange as minutes
    offset 0
  ) m
),
pieces as materialized (
  select '{}'::tstzmultirange - m.days as day, '{}'::tstzmultirange as quarter,
    a.hours - m.hours as hour,
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
    select '{[2026-10-01T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange + '{}'::tstzmultirange * m.days as hours
  ) a
  cross join lateral (
    select '{}'::tstzmultirange + a.hours * m.hours * '{}'::tstzmultirange as minutes
  ) b
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out, ((select hours from slot)[r.slot])::text as "g0"
  from (
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
  select r.*, 0 as period, 0 as out, ((select hours from slot)[r.slot])::text as "g0"
  from (
    select width_bucket(e.started_at, (select starts from slot)) as slot, e.status
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
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
select f.period, f.out, f.rank::int, array[t."g0", t.sort_value], f.executions, null
from groups f
left join top t on t.rank = f.rank;
