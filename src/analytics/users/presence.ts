import { type SQL, sql } from "drizzle-orm";
import { instantList, withinRange } from "../../db/instants.ts";
import { keyInWorkspace } from "../../db/scope.ts";
import { dirtyHours, freshnessPairs, inRanges } from "../rollups/marks.ts";
import { rangeOfBuckets } from "../time/range.ts";
import type { TimeRange } from "../time/time-range.ts";
import { cutByQuarters, type DayPiece, type SlotPiece } from "./quarter-pieces.ts";

/**
 * The kinds of presence: an execution or an event; a successful execution; or an event of a
 * type or a name.
 */
export type ActivityKind =
  | { of: "activity" }
  | { of: "success" }
  | { of: "event"; type?: string | undefined; name?: string | undefined };

const FIRST_MARK = Date.UTC(2000, 0, 1) * 1000;
const NO_ROWS = sql.raw("select null::int as slot, null::text as user_id where false");

/** No quarter of a day. A literal: an expression would be read again for each row. */
export const NO_QUARTERS = sql.raw(`B'${"0".repeat(96)}'`);

/** Further conditions on an execution (alias e). */
export const executionsWhere = (kind: ActivityKind): SQL =>
  kind.of === "success" ? sql` and e.status = 'success'` : sql``;

/** Further conditions on an event (alias v). */
export function eventsWhere(kind: ActivityKind): SQL {
  if (kind.of !== "event") return sql``;
  const type = kind.type === undefined ? sql`` : sql` and v.event_type = ${kind.type}`;
  const name = kind.name === undefined ? sql`` : sql` and v.event_name = ${kind.name}`;
  return sql`${type}${name}`;
}

/** Slot of an instant, from the CTE `slot`: 0 before the first. */
export const slotOf = (at: SQL) => sql`width_bucket(${at}, (select starts from slot))`;

const slotsOf = (pieces: readonly SlotPiece[]) =>
  sql`${sql.param(pieces.map((piece) => piece.slot))}::int[]`;
const startsOf = (pieces: readonly SlotPiece[]) => instantList(pieces.map((piece) => piece.from));
const endsOf = (pieces: readonly SlotPiece[]) => instantList(pieces.map((piece) => piece.to));

/** CTEs: parts of days that the rollup answers, and what raw rows answer. */
function pieceTables(days: readonly DayPiece[], edges: readonly SlotPiece[]): SQL {
  return sql`presence_pieces as materialized (
    select slot, day, mask::bit(96) as mask, lo, hi
    from unnest(
      ${slotsOf(days)},
      ${instantList(days.map((piece) => piece.day))},
      ${sql.param(days.map((piece) => piece.mask))}::text[],
      ${startsOf(days)},
      ${endsOf(days)}
    ) as p(slot, day, mask, lo, hi)
  ),
  raw_pieces as materialized (
    select slot, lo, hi
    from presence_pieces p
    where exists (select from dirty_days d where d.day = p.day)
    union all
    select * from unnest(${slotsOf(edges)}, ${startsOf(edges)}, ${endsOf(edges)})
  )`;
}

/** Slots and users of executions, from the rollup. */
function rolledPresence(workspaceId: string, kind: ActivityKind): SQL {
  const quarters = sql.raw(kind.of === "success" ? "a.succeeded" : "a.present");
  return sql`
    select p.slot, a.user_id
    from presence_pieces p
    cross join lateral (
      select a.* from user_presence_daily a
      where ${keyInWorkspace(workspaceId, "a")} and a.bucket = p.day
      offset 0
    ) a
    where not exists (select from dirty_days d where d.day = p.day)
      and ((p.mask is null and ${quarters} <> ${NO_QUARTERS})
        or (${quarters} & p.mask) <> ${NO_QUARTERS})`;
}

/** Slots and users of executions, from their rows. */
function rawPresence(workspaceId: string, slots: readonly TimeRange[], kind: ActivityKind): SQL {
  return sql`
    select p.slot, e.user_id
    from raw_pieces p
    cross join lateral (
      select e.user_id from executions e
      where ${keyInWorkspace(workspaceId, "e")}
        and e.started_at >= p.lo and e.started_at < p.hi
        and ${inRanges(sql`e.started_at`, slots)}
        and e.user_id is not null${executionsWhere(kind)}
      offset 0
    ) e`;
}

/** Slots and users of events. */
function eventPresence(workspaceId: string, range: TimeRange, kind: ActivityKind): SQL {
  const at = sql`v.occurred_at`;
  return sql`
      select ${slotOf(at)}, v.user_id from events v
      where ${keyInWorkspace(workspaceId, "v")}
        and ${withinRange(at, range)}${eventsWhere(kind)}`;
}

/**
 * CTEs of present users: `active(slot, user_id)`, distinct, for slots that
 * touch each other. Executions come from `user_presence_daily`, or from raw rows on days with a
 * mark; events from their own rows. `dirty_days` covers all earlier days too, for `firstSeen`.
 */
export function userPresence(
  workspaceId: string,
  slots: readonly TimeRange[],
  kind: ActivityKind,
): SQL {
  const { days, edges } = cutByQuarters(slots);
  const range = rangeOfBuckets(slots);
  const isOfEvents = kind.of === "event";
  const parts = [
    ...(isOfEvents
      ? []
      : [
          sql`select slot, user_id from rolled_presence`,
          sql`select slot, user_id from raw_presence`,
        ]),
    ...(kind.of === "success" ? [] : [eventPresence(workspaceId, range, kind)]),
  ];
  return sql`slot as materialized (
    select ${instantList(slots.map((slot) => slot.from))} as starts
  ),
  ${dirtyHours(workspaceId, FIRST_MARK, range.to)},
  ${pieceTables(days, edges)},
  rolled_presence as materialized (${isOfEvents ? NO_ROWS : rolledPresence(workspaceId, kind)}),
  raw_presence as materialized (${isOfEvents ? NO_ROWS : rawPresence(workspaceId, slots, kind)}),
  active as materialized (
    select slot, user_id
    from (
      ${sql.join(parts, sql`\n      union all\n      `)}
    ) every(slot, user_id)
    group by slot, user_id
  )`;
}

/** `meta` of a statement over `userPresence` (result/meta-row.ts reads it). */
export function presenceMeta(workspaceId: string): SQL {
  return sql`jsonb_build_object(
    ${freshnessPairs(workspaceId)},
    'hourly', 0,
    'raw', (select count(*) from raw_presence),
    'daily', (
      select count(distinct p.day)
      from presence_pieces p
      where not exists (select from dirty_days d where d.day = p.day)
        and p.slot in (select slot from rolled_presence group by slot)
    ))`;
}
