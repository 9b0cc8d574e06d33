with grouped as materialized (
  select e.error_fingerprint, count(*) as executions, count(distinct e.user_id) as users,
    count(distinct e.agent_id) as agents, coalesce(sum(e.credits), 0) as credits_lost,
    (array_agg(e.id order by e.started_at desc, e.id desc))[1] as sample_id,
    max(e.started_at) as latest_at
  from executions e
  where "e"."workspace_id" = (select 'acme'::text) and e.error_fingerprint is not null
    and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
    and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz and e.agent_id = 'writer'
  group by e.error_fingerprint
),
placed as (
  select g.error_fingerprint as id, r.error_type, r.error_message as sample_message,
    g.sample_id as sample_execution_id, case when reopened then 'open'
    else coalesce(s.status, 'open') end as status, reopened, g.executions, g.users, g.agents,
    round(g.credits_lost, 6) as credits_lost, w.first as first_seen_at, w.last as last_seen_at,
    g.executions::float8 / sum(g.executions) over () as share
  from grouped g
  cross join lateral (
    select (
      select x.started_at
      from executions x
      where "x"."workspace_id" = (select 'acme'::text) and x.error_fingerprint = g.error_fingerprint
      order by x.started_at asc
      limit 1
    ) as first,
      (
        select x.started_at
        from executions x
        where "x"."workspace_id" = (select 'acme'::text)
          and x.error_fingerprint = g.error_fingerprint
        order by x.started_at desc
        limit 1
      ) as last
  ) w
  cross join lateral (
    select r.error_type, r.error_message
    from executions r
    where "r"."workspace_id" = any(array[(select 'acme'::text), (select 'acme'::text)])
      and r.started_at = g.latest_at and r.id = g.sample_id
      and r.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
      and r.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
    offset 0
  ) r
  left join error_states s on "s"."workspace_id" = (select 'acme'::text)
    and s.fingerprint = g.error_fingerprint
  cross join lateral (
    select case
      when s.status = 'resolved' then exists (
        select
        from executions x
        where "x"."workspace_id" = (select 'acme'::text)
          and x.error_fingerprint = g.error_fingerprint and x.heard_at > s.changed_at
          and coalesce(
            x.ended_at, x.started_at + x.duration_ms * interval '1 millisecond', x.started_at
          ) > s.changed_at
      )
      else false end as reopened
    offset 0
  ) c
)
select *
from (
  select p.*, count(*) over () as rows_found,
    coalesce(
      sum(octet_length(p::text)) over (
        order by p.executions desc, p.id rows between unbounded preceding and 1 preceding
      ),
      0
    ) as bytes_before
  from (select * from placed where status = 'open' order by executions desc, id limit 20 offset 0) p
) p
where p.bytes_before < 2097152::bigint
order by p.executions desc, p.id;
