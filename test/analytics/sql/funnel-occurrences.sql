with found as materialized (
  select *
  from (
    select e.user_id, e.started_at as at, 0 | case when ("e"."agent_id" = 'writer'::text) then 2
      else 0 end as mask, null::text as property
    from executions e
    where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
      and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz and e.user_id is not null
      and (("e"."agent_id" = 'writer'::text))
    union all
    select v.user_id, v.occurred_at as at, 0 | case when (v.event_type = 'signup') then 1
      else 0 end as mask, null::text as property
    from events v
    where "v"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and v.occurred_at >= '2026-10-01T00:00:00.000Z'::timestamptz
      and v.occurred_at < '2026-10-05T00:00:00.000Z'::timestamptz and v.user_id is not null
      and ((v.event_type = 'signup'))
  ) all_moments
  limit 750001
)
select user_id,
  string_agg(
    round(
      date_part('epoch', at - '2026-10-01T00:00:00.000Z'::timestamptz) * 1000000
    )::bigint || ':' || mask,
    ','
  ) as moments,
  null::text[] as properties
from found
group by user_id
order by user_id;
