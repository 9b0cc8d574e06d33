import { sql } from "drizzle-orm";

export const PRESENCE_COLUMNS = sql.raw("workspace_id, bucket, user_id, present, succeeded");
/** The quarter of an hour of its day in which a raw row starts; 95 is the last. */
export const PRESENCE_QUARTER = sql`, floor(extract(epoch from e.started_at - w.bucket) / 900)::int as quarter`;

/** Rows of `user_presence_daily` from the CTE `raw` of a day's recomputation. */
export function presenceRows() {
  const none = sql`repeat('0', 96)::bit(96)`;
  const bit = sql`set_bit(${none}, quarter, 1)`;
  return sql`select w.workspace_id, w.bucket, p.user_id, p.present, p.succeeded from (
    select place, user_id, bit_or(${bit}) as present, bit_or(case when status = 'success' then ${bit} else ${none} end) as succeeded
    from (select distinct place, user_id, status, quarter from raw) quarters group by place, user_id
  ) p join asked w using (place)`;
}
