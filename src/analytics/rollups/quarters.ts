import { type SQL, sql } from "drizzle-orm";

/** Column: the quarter of an hour of its day in which a raw row starts, from 0 to 95. */
export const QUARTER_COLUMN = sql.raw(
  ", floor(extract(epoch from e.started_at - w.bucket) / 900)::int as quarter",
);

export const PRESENCE_COLUMNS = sql.raw("workspace_id, bucket, user_id, present, succeeded");
export const QUARTER_COLUMNS = sql.raw(
  "workspace_id, grain, bucket, agent_id, status, quarters, executions",
);

const NO_BITS = "repeat('0', 96)::bit(96)";
const QUARTER_BIT = `set_bit(${NO_BITS}, quarter, 1)`;
const SUCCESS_BIT = `case when status = 'success' then ${QUARTER_BIT} else ${NO_BITS} end`;

/** Rows of `user_presence_daily` from the CTE `raw` of a day's recomputation. */
export function presenceRows(): SQL {
  return sql`
    select w.workspace_id, w.bucket, p.user_id, p.present, p.succeeded
    from (
      select place, user_id,
        bit_or(${sql.raw(QUARTER_BIT)}) as present,
        bit_or(${sql.raw(SUCCESS_BIT)}) as succeeded
      from (
        select distinct place, user_id, status, quarter
        from raw
        where user_id <> ''
      ) quarters
      group by place, user_id
    ) p
    join asked w using (place)`;
}

/** Numbers of executions by agent and of all agents, status and quarter. */
const COUNTED_QUARTERS = sql`
        select place,
          case when agent_id is null then 'total' else 'agent' end as grain,
          coalesce(agent_id, '') as agent_id,
          status,
          quarter,
          sum(n)::int as n
        from (
          select place, agent_id, status, quarter, count(*) as n
          from raw
          group by 1, 2, 3, 4
        ) cells
        group by grouping sets ((place, agent_id, status, quarter), (place, status, quarter))`;

/** Rows of `execution_quarters_daily` from the same CTE. */
export function quarterRows(): SQL {
  return sql`
    select w.workspace_id, q.grain, w.bucket, q.agent_id, q.status, q.quarters, q.executions
    from (
      select place, grain, agent_id, status,
        array_agg(quarter order by quarter) as quarters,
        array_agg(n order by quarter) as executions
      from (${COUNTED_QUARTERS}
      ) counted
      group by place, grain, agent_id, status
    ) q
    join asked w using (place)`;
}
