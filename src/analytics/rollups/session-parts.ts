import { type SQL, sql } from "drizzle-orm";
import { keyInList, keyInWorkspace } from "../../db/scope.ts";
import { commaList, nameList } from "../sql/lists.ts";
import { sketchKey } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";
import { inRanges } from "./marks.ts";

/** A session ends when a user starts nothing for this long. */
export const SESSION_GAP_MINUTES = 30;
export const SESSION_GAP = sql.raw(`interval '${SESSION_GAP_MINUTES} minutes'`);

/** Upper ends (µs, excluded) of the classes of session lengths; the last class has none. */
const LENGTHS_US = [30, 120, 300, 900, 1_800].map((seconds) => seconds * 1_000_000);
export const LENGTH_NAMES = ["0-30s", "30s-2m", "2m-5m", "5m-15m", "15m-30m", "30m+"];

/**
 * What users did from lo to hi (SQL), for a lateral join: executions by their start, and events.
 * @param ranges hold every lo and hi
 */
export function momentsOf(
  workspaceId: { list: string } | string,
  [lo, hi]: [SQL, SQL],
  ranges: readonly TimeRange[],
): SQL {
  const of = (table: string, column: string) => {
    const at = sql`x.${sql.identifier(column)}`;
    const scope =
      typeof workspaceId === "string"
        ? keyInWorkspace(workspaceId, "x")
        : keyInList(workspaceId.list, "x");
    return sql`select x.user_id, ${at} as at from ${sql.identifier(table)} x where ${scope} and ${at} >= ${lo} and ${at} < ${hi}
      and ${inRanges(at, ranges)} and x.user_id is not null`;
  };
  return sql`(${of("executions", "started_at")} union all ${of("events", "occurred_at")} offset 0)`;
}

/**
 * Joins what is less than the gap apart: of pieces (keys, user_id, began, ended, activities) that do not overlap, the sessions
 * with the same columns. A single moment is a piece too.
 */
export function joinedSessions(keys: readonly string[], pieces: SQL): SQL {
  const by = nameList([...keys, "user_id"]);
  const over = sql`over (partition by ${by} order by began)`;
  const begins = sql`case when began - lag(ended) ${over} < ${SESSION_GAP} then 0 else 1 end`;
  return sql`select ${by}, min(began) as began, max(ended) as ended, sum(activities)::bigint as activities from (
    select ${by}, began, ended, activities, sum(begins) ${over} as place_of_session from (select *, ${begins} as begins from (${pieces}) pieces) marked
  ) numbered group by ${by}, place_of_session`;
}

/** Of a session that is complete: its length and the place of that in a sketch and among the classes. */
export const LENGTH_US = sql`round(date_part('epoch', ended - began) * 1000000)::bigint`;
export const lengthKey = (us: SQL) =>
  sketchKey(sql`(case when ${us} > 0 then greatest(${us} / 1000.0, 1) else 0 end)`);

/** Sums of sessions (length_us, activities): the columns of `sessions_daily` from `sessions` to `classes`. */
export const SESSION_SUMS = sql`count(*) as sessions, count(*) filter (where activities = 1) as singles, coalesce(sum(activities), 0)::bigint as activities,
  coalesce(sum(length_us), 0) as length_sum_us, min(length_us) as length_min_us, max(length_us) as length_max_us, array[${commaList(
    LENGTH_NAMES.map(
      (_, index) =>
        sql`count(*) filter (where width_bucket(length_us, ${sql.raw(`'{${LENGTHS_US.join(",")}}'`)}::bigint[]) = ${sql.raw(String(index))})`,
    ),
  )}]::int[] as classes`;
