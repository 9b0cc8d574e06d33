with slot as materialized (
  select '{2026-09-15T12:34:56.000Z}'::timestamptz[] as starts, '{0}'::int[] as buckets,
    '{0}'::int[] as periods, '{0}'::int[] as hours, '{0}'::int[] as days
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
      'acme', 'day', interval '24 hours', '2026-09-15T00:00:00.000Z'::timestamptz,
      '2026-10-15T12:34:56.000Z'::timestamptz
    ) as days,
      marked_ranges(
        'acme', 'hour', interval '1 hour', '2026-09-15T12:00:00.000Z'::timestamptz,
        '2026-10-15T12:34:56.000Z'::timestamptz
      ) as hours,
      marked_ranges(
        'acme', 'minute', interval '1 minute', '2026-10-15T10:00:00.000Z'::timestamptz,
        '2026-10-15T13:00:00.000Z'::timestamptz
      ) as minutes
    offset 0
  ) m
),
pieces as materialized (
  select '{[2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z)}'::tstzmultirange - m.days as day,
    '{}'::tstzmultirange as quarter, a.hours - m.hours as hour,
    b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) - m.minutes as minute,
    '{[2026-09-15T12:34:56.000Z,2026-09-15T13:00:00.000Z),[2026-10-15T12:34:00.000Z,2026-10-15T12:34:56.000Z)}'::tstzmultirange + (
      a.hours * m.hours - '{[2026-10-15T10:00:00.000Z,2026-10-15T13:00:00.000Z)}'::tstzmultirange
    ) + (
      b.minutes - tstzmultirange(
        tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
      )
    ) + b.minutes * tstzmultirange(
      tstzrange(date_trunc('hour', now(), 'UTC') - interval '2 hours', null)
    ) * m.minutes as raw
  from marked m
  cross join lateral (
    select '{[2026-09-15T13:00:00.000Z,2026-09-16T00:00:00.000Z),[2026-10-15T00:00:00.000Z,2026-10-15T12:00:00.000Z)}'::tstzmultirange + '{[2026-09-16T00:00:00.000Z,2026-10-15T00:00:00.000Z)}'::tstzmultirange * m.days as hours
  ) a
  cross join lateral (
    select '{[2026-10-15T12:00:00.000Z,2026-10-15T12:34:00.000Z)}'::tstzmultirange + a.hours * m.hours * '{[2026-10-15T10:00:00.000Z,2026-10-15T13:00:00.000Z)}'::tstzmultirange as minutes
  ) b
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 'day' as unit, r.bucket as at, 1 as slot, r.status, r.executions, r.credits
    from unnest((select day from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_daily r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
        and r.status <> ''
      offset 0
    ) r
    union all
    select 'hour' as unit, r.bucket as at, 1 as slot, r.status, r.executions, r.credits
    from unnest((select hour from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_hourly r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
        and r.status <> ''
      offset 0
    ) r
    union all
    select 'hour' as unit, date_trunc('hour', r.bucket, 'UTC') as at, 1 as slot, r.status,
      r.executions, r.credits
    from unnest((select minute from pieces)) as s(piece)
    cross join lateral (
      select r.*
      from execution_metrics_minutely r
      where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and r.grain = 'total' and r.bucket >= lower(s.piece) and r.bucket < upper(s.piece)
        and r.status <> ''
      offset 0
    ) r
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 1 as slot, e.status, e."credits"
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
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
cells as not materialized (select r.* from "cells_unranked" r)
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
from (
  select sums.*
  from (
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
  ) sums
) total;
