with slot as materialized (
  select '{2026-10-01T00:00:00.000Z}'::timestamptz[] as starts, '{0}'::int[] as buckets,
    '{0}'::int[] as periods, '{0}'::int[] as hours, '{0}'::int[] as days
),
pieces as materialized (
  select '{[2026-10-01T00:00:00.000Z,2026-10-05T00:00:00.000Z)}'::tstzmultirange as raw
),
rollup_rows as materialized (
  select r.*, 0 as period, 0 as out
  from (
    select null::text as unit, null::timestamptz as at, null::int as slot, null::text as status,
      null::bigint as executions
    where false
  ) r
),
raw_rows as not materialized (
  select r.*, 0 as period, 0 as out
  from (
    select 1 as slot, e.status
    from unnest((select raw from pieces)) as s(piece)
    cross join lateral (
      select e.*
      from executions e
      where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
        and e.started_at >= lower(s.piece) and e.started_at < upper(s.piece)
        and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
        and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
        and "e".metadata #>> '{region}'::text[] = 'eu'::text
      offset 0
    ) e
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
cells as not materialized (select r.* from "cells_unranked" r)
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
) total;
