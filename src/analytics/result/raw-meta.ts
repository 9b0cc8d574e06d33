import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { type PreparedQuery, prepared } from "../prepared.ts";
import { freshnessPairs } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";
import { type AnswerMeta, metaOf } from "./meta.ts";
import { metaRow } from "./meta-row.ts";

/**
 * `meta` of an answer that is made of raw rows only.
 * @param rows statement with their number
 */
export function rawMeta(
  workspaceId: string,
  range: TimeRange,
  timezone: string,
  rows: SQL = sql`select 0`,
): PreparedQuery<AnswerMeta> {
  const statement = sql`
    select jsonb_build_object(
      ${freshnessPairs(workspaceId)},
      'daily', 0,
      'hourly', 0,
      'raw', (${rows})
    ) as meta`;
  return prepared({ sql: statement, row: z.object({ meta: metaRow }) }, ([found]) => {
    if (!found) throw new Error("The statement gave no row");
    return metaOf(range, timezone, found.meta);
  });
}
