import { type SQL, sql } from "drizzle-orm";
import { keyInList, keyInWorkspace } from "../../db/scope.ts";
import { commaList, nameList } from "../sql/lists.ts";
import { sketchKey } from "../sql/sketch.ts";
import type { TimeRange } from "../time/time-range.ts";
import { inRanges } from "./marks.ts";

/** A session ends when its user starts nothing for this long. */
export const SESSION_GAP_MINUTES = 30;
export const SESSION_GAP = sql.raw(`interval '${SESSION_GAP_MINUTES} minutes'`);

/** Upper ends (µs, excluded) of the classes of session lengths; the last class is open. */
const CLASS_ENDS_US = [30, 120, 300, 900, 1_800].map((seconds) => seconds * 1_000_000);
export const LENGTH_CLASSES = ["0-30s", "30s-2m", "2m-5m", "5m-15m", "15m-30m", "30m+"];

/**
 * Activities of users between two instants (SQL), for a lateral join: executions by their start,
 * and events.
 * @param ranges enclose all such instants
 */
export function activitiesBetween(
  workspaceId: { list: string } | string,
  [from, to]: [SQL, SQL],
  ranges: readonly TimeRange[],
): SQL {
  const scope =
    typeof workspaceId === "string"
      ? keyInWorkspace(workspaceId, "x")
      : keyInList(workspaceId.list, "x");
  const activitiesIn = (table: string, column: string) => {
    const at = sql`x.${sql.identifier(column)}`;
    return sql`
      select x.user_id, ${at} as at from ${sql.identifier(table)} x
      where ${scope}
        and ${at} >= ${from} and ${at} < ${to}
        and ${inRanges(at, ranges)}
        and x.user_id is not null`;
  };
  return sql`(${activitiesIn("executions", "started_at")}
      union all${activitiesIn("events", "occurred_at")}
      offset 0
    )`;
}

/**
 * Sessions of pieces (keys, user_id, began, ended, activities) that do not overlap: pieces less
 * than the gap apart become one, with the same columns. A single activity is a piece too.
 */
export function joinedSessions(keys: readonly string[], pieces: SQL): SQL {
  const by = nameList([...keys, "user_id"]);
  const over = sql`over (partition by ${by} order by began)`;
  const begins = sql`case when began - lag(ended) ${over} < ${SESSION_GAP} then 0 else 1 end`;
  return sql`
    select ${by},
      min(began) as began,
      max(ended) as ended,
      sum(activities)::bigint as activities
    from (
      select ${by}, began, ended, activities, sum(begins) ${over} as place_of_session
      from (
        select *, ${begins} as begins
        from (${pieces}) pieces
      ) marked
    ) numbered
    group by ${by}, place_of_session`;
}

/** Length of a complete session, in microseconds. */
export const LENGTH_US = sql`round(date_part('epoch', ended - began) * 1000000)::bigint`;

/** Bucket of a session's length in a sketch. */
export const lengthKey = (us: SQL) =>
  sketchKey(sql`(case when ${us} > 0 then greatest(${us} / 1000.0, 1) else 0 end)`);

const CLASS_OF_LENGTH = sql.raw(
  `width_bucket(length_us, '{${CLASS_ENDS_US.join(",")}}'::bigint[])`,
);
const CLASS_COUNTS = LENGTH_CLASSES.map(
  (_, index) => sql`count(*) filter (where ${CLASS_OF_LENGTH} = ${sql.raw(String(index))})`,
);

/**
 * Sums of sessions (length_us, activities): columns `sessions` to `classes` of `sessions_daily`.
 */
export const SESSION_SUMS = sql`count(*) as sessions,
      count(*) filter (where activities = 1) as singles,
      coalesce(sum(activities), 0)::bigint as activities,
      coalesce(sum(length_us), 0) as length_sum_us,
      min(length_us) as length_min_us,
      max(length_us) as length_max_us,
      array[${commaList(CLASS_COUNTS)}]::int[] as classes`;
