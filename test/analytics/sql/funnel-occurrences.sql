select user_id, case when total <= 1000 then encode(moments, 'base64') end as moments, case
  when total <= 1000 then encode(properties, 'base64') end as properties, total
from (
  select *, row_number() over () as place
  from (
    select *
    from (
      select user_id, string_agg(timestamptz_send(at) || int2send(mask::smallint), '') as moments,
        string_agg(
          case when property is null then int4send(-1)
          else int4send(octet_length(property)) || convert_to(property, 'UTF8') end, ''
        ) filter (where mask & 1 = 1) as properties,
        (sum(count(*)) over ())::integer as total, (max(count(*)) over ())::integer as most
      from (
        select *
        from (
          select user_id, at, mask, property
          from (
            select e.user_id, e.started_at as at, 0 | case
              when ("e"."agent_id" = 'writer'::text) then 2 else 0 end as mask,
              null::text as property
            from executions e
            where "e"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
              and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
              and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz and e.user_id is not null
            order by e.workspace_id, e.started_at
            offset 0
          ) e
          where mask <> 0
          union all
          select user_id, at, mask, property
          from (
            select v.user_id, v.occurred_at as at, 0 | case when (v.event_type = 'signup') then 1
              else 0 end as mask, case
              when (v.event_type = 'signup') then (
                case when octet_length(v.properties #>> '{plan}'::text[]) > 256 then
                left(v.properties #>> '{plan}'::text[], 48) || '…' || md5(v.properties #>> '{plan}'::text[])
                  else v.properties #>> '{plan}'::text[] end
              )::text end as property
            from events v
            where "v"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
              and v.occurred_at >= '2026-10-01T00:00:00.000Z'::timestamptz
              and v.occurred_at < '2026-10-05T00:00:00.000Z'::timestamptz and v.user_id is not null
            order by v.workspace_id, v.occurred_at
            offset 0
          ) v
          where mask <> 0
        ) all_moments
        limit 1001
      ) found
      group by user_id
    ) users
    order by octet_length(moments) + coalesce(octet_length(properties), 0) desc
  ) users
) placed
where total <= 1000 or place = 1;
