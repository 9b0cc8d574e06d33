import { sql } from "drizzle-orm";
import { z } from "zod";
import { withinRange } from "../../db/instants.ts";
import { inWorkspace } from "../../db/scope.ts";
import { type PreparedQuery, prepared } from "../prepared.ts";
import type { TimeRange } from "../time/time-range.ts";

const featureRow = z.object({
  event_type: z.string(),
  event_name: z.string().nullable(),
  events: z.number(),
  users: z.number(),
});
export type FeatureUse = z.output<typeof featureRow>;

/** Events of the range by type and name, the most used first. */
export function featureUse(
  workspaceId: string,
  range: TimeRange,
  limit = 100,
): PreparedQuery<FeatureUse[]> {
  const statement = sql`
    select v.event_type, v.event_name,
      count(*) as events,
      count(distinct v.user_id) as users
    from events v
    where ${inWorkspace(workspaceId, "v")} and ${withinRange(sql`v.occurred_at`, range)}
    group by 1, 2
    order by 3 desc, 1, 2
    limit ${limit}`;
  return prepared({ sql: statement, row: featureRow }, (rows) => rows);
}
