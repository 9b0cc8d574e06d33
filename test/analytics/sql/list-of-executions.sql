select *
from (
  select p.*, count(*) over () as rows_found,
    coalesce(
      sum(octet_length(p::text)) over (
        order by p."started_at" desc, p.id desc rows between unbounded preceding and 1 preceding
      ),
      0
    ) as bytes_before
  from (
    select e.id, e.agent_id, e.user_id, e.status, e.started_at, e.ended_at, e.duration_ms,
      e.credits, e.tokens_in, e.tokens_out, e.model, e.parent_execution_id, e.environment,
      e.version, e.metadata, e.revision, e.stale, e.error_type, e.error_message
    from executions e
    where "e"."workspace_id" = (select 'acme'::text) and e.agent_id = 'writer'
      and e.status = 'failure' and e.started_at >= '2026-10-01T00:00:00.000Z'::timestamptz
      and e.started_at < '2026-10-05T00:00:00.000Z'::timestamptz
      and e.metadata #>> '{region}'::text[] = 'eu'
    order by e."started_at" desc, e.id desc
    limit 101
    offset 0
  ) p
) p
where p.bytes_before < 2097152::bigint
order by p."started_at" desc, p.id desc;
