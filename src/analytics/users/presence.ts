import { type SQL, sql } from "drizzle-orm";
import { inWorkspace, keyInWorkspace } from "../../db/scope.ts";
import { DAY_US, type EpochUs, formatInstant, QUARTER_US } from "../../lib/time.ts";
import { dirtyHours, freshness, inRanges, instantList } from "../rollups/marks.ts";
import type { TimeRange } from "../time/time-range.ts";

/** What counts as being there: an execution or an event; a successful execution; or an event of a type or a name. */
export type ActivityKind =
  | { of: "activity" }
  | { of: "success" }
  | { of: "event"; type?: string | undefined; name?: string | undefined };

const FIRST = Date.UTC(2000, 0, 1) * 1000;
/** A literal: an expression would be read again for each row. */
const NONE = sql.raw(`B'${"0".repeat(96)}'`);

interface Piece extends TimeRange {
  /** From 1, as width_bucket counts. */
  slot: number;
}
interface DayPiece extends Piece {
  day: EpochUs;
  /** The quarters of the day that belong to the slot; null for all. */
  mask: string | null;
}

/**
 * Cuts slots into parts of UTC days, which `user_presence_daily` answers by a mask over their quarters, and the ends that are
 * no whole quarter, which only raw rows can cut (no zone's day has such ends since 1972).
 */
export function cutByQuarters(slots: readonly TimeRange[]): { days: DayPiece[]; edges: Piece[] } {
  const days: DayPiece[] = [];
  const edges: Piece[] = [];
  const edge = (slot: number, from: EpochUs, to: EpochUs) =>
    void (to > from && edges.push({ slot, from, to }));
  for (const [index, { from, to }] of slots.entries()) {
    const slot = index + 1;
    const first = Math.ceil(from / QUARTER_US) * QUARTER_US;
    const last = Math.floor(to / QUARTER_US) * QUARTER_US;
    if (first >= last) {
      edge(slot, from, to);
      continue;
    }
    edge(slot, from, first);
    for (let lo = first; lo < last; ) {
      const day = Math.floor(lo / DAY_US) * DAY_US;
      const hi = Math.min(last, day + DAY_US);
      const [start, end] = [(lo - day) / QUARTER_US, (hi - day) / QUARTER_US];
      const mask =
        end - start === 96
          ? null
          : "0".repeat(start) + "1".repeat(end - start) + "0".repeat(96 - end);
      days.push({ slot, day, mask, from: lo, to: hi });
      lo = hi;
    }
    edge(slot, last, to);
  }
  return { days, edges };
}

const slotsOf = (list: readonly Piece[]) =>
  sql`${sql.param(list.map((piece) => piece.slot))}::int[]`;

/** Further conditions on an event (alias v). */
export function eventsWhere(sign: ActivityKind): SQL {
  const type =
    sign.of === "event" && sign.type !== undefined ? sql` and v.event_type = ${sign.type}` : sql``;
  const name =
    sign.of === "event" && sign.name !== undefined ? sql` and v.event_name = ${sign.name}` : sql``;
  return sql`${type}${name}`;
}

/** Slot of a moment, from the CTE `slot`: 0 before the first. */
export const slotOf = (at: SQL) => sql`width_bucket(${at}, (select starts from slot))`;

/**
 * CTEs (of a `with recursive`) that say who was there: `active(slot, user_id)`, distinct, for slots that touch each other.
 * Executions come from `user_presence_daily`, or from raw rows on days with a mark; events from their own rows.
 * `dirty_days` covers all that came before too, so that `firstSeen` may use it.
 */
export function userPresence(
  workspaceId: string,
  slots: readonly TimeRange[],
  sign: ActivityKind,
): SQL {
  const { days, edges } = cutByQuarters(slots);
  const [first, last] = [slots[0]?.from ?? 0, slots.at(-1)?.to ?? 0];
  const column = sign.of === "success" ? sql`a.succeeded` : sql`a.present`;
  const wanted = sign.of === "success" ? sql` and e.status = 'success'` : sql``;
  const rolled = sql`select p.slot, a.user_id from presence_pieces p
    cross join lateral (select a.* from user_presence_daily a where ${keyInWorkspace(workspaceId, "a")} and a.bucket = p.day offset 0) a
    where not exists (select from dirty_days d where d.day = p.day) and ((p.mask is null and ${column} <> ${NONE}) or (${column} & p.mask) <> ${NONE})`;
  const raw = sql`select p.slot, e.user_id from raw_pieces p cross join lateral (select e.user_id from executions e where ${keyInWorkspace(workspaceId, "e")}
    and e.started_at >= p.lo and e.started_at < p.hi and ${inRanges(sql`e.started_at`, slots)} and e.user_id is not null${wanted} offset 0) e`;
  const events = sql`select ${slotOf(sql`v.occurred_at`)}, v.user_id from events v where ${keyInWorkspace(workspaceId, "v")}
    and v.occurred_at >= ${formatInstant(first)}::timestamptz and v.occurred_at < ${formatInstant(last)}::timestamptz${eventsWhere(sign)}`;
  const executions =
    sign.of === "event"
      ? []
      : [
          sql`select slot, user_id from rolled_presence`,
          sql`select slot, user_id from raw_presence`,
        ];
  const parts = [...executions, ...(sign.of === "success" ? [] : [events])];
  return sql`slot as materialized (select ${instantList(slots.map((slot) => slot.from))} as starts),
  ${dirtyHours(workspaceId, FIRST, last)},
  presence_pieces as materialized (select slot, day, mask::bit(96) as mask, lo, hi from unnest(${slotsOf(days)}, ${instantList(days.map((piece) => piece.day))}, ${sql.param(days.map((piece) => piece.mask))}::text[],
    ${instantList(days.map((piece) => piece.from))}, ${instantList(days.map((piece) => piece.to))}) as p(slot, day, mask, lo, hi)),
  raw_pieces as materialized (select slot, lo, hi from presence_pieces p where exists (select from dirty_days d where d.day = p.day)
    union all select * from unnest(${slotsOf(edges)}, ${instantList(edges.map((piece) => piece.from))}, ${instantList(edges.map((piece) => piece.to))})),
  rolled_presence as materialized (${sign.of === "event" ? sql`select null::int as slot, null::text as user_id where false` : rolled}),
  raw_presence as materialized (${sign.of === "event" ? sql`select null::int as slot, null::text as user_id where false` : raw}),
  active as materialized (select slot, user_id from (${sql.join(parts, sql` union all `)}) every(slot, user_id) group by slot, user_id)`;
}

/**
 * A CTE with the first sign of each user, ever, if it lies before a moment: its quarter of an
 * hour (an event: its moment).
 * @param users a query of the user ids to look at
 * @param before a moment at a quarter of an hour, from which on no sign counts
 */
export function firstSeen(
  workspaceId: string,
  sign: ActivityKind,
  users: SQL,
  before: EpochUs,
): SQL {
  const [column, wanted] =
    sign.of === "success"
      ? [sql`p.succeeded`, sql` and e.status = 'success'`]
      : [sql`p.present`, sql``];
  const end = sql`${formatInstant(before)}::timestamptz`;
  // No join: the index then gives the first day at once.
  const rolled = sql`select u.user_id, (select p.bucket + (position(B'1' in ${column}) - 1) * interval '15 minutes' from user_presence_daily p
      where ${inWorkspace(workspaceId, "p")} and p.user_id = u.user_id and p.bucket < ${end} and ${column} <> ${NONE}
        and p.bucket not in (select day from dirty_days) order by p.bucket limit 1) as at from seen_users u`;
  const raw = sql`select e.user_id, min(e.started_at) from dirty_days d
      cross join lateral (select e.user_id, e.started_at from executions e where ${keyInWorkspace(workspaceId, "e")}
        and e.started_at >= d.day and e.started_at < d.day + interval '24 hours' and e.started_at < ${end}
        and e.user_id is not null${wanted} offset 0) e group by e.user_id`;
  const events = sql`select u.user_id, (select min(v.occurred_at) from events v where ${inWorkspace(workspaceId, "v")} and v.user_id = u.user_id
      and v.occurred_at < ${end}${eventsWhere(sign)}) from seen_users u`;
  const parts = [
    ...(sign.of === "event" ? [] : [rolled, raw]),
    ...(sign.of === "success" ? [] : [events]),
  ];
  // Days of rollups and of raw rows are UTC days: the last may go on behind the end.
  return sql`seen_users as materialized (select distinct user_id from (${users}) users),
  first_seen as materialized (select user_id, min(at) as at
    from (${sql.join(parts, sql` union all `)}) firsts(user_id, at)
    where at < ${end} group by user_id)`;
}

/** `meta` of a statement over `presence`, as result/rows.ts reads it. */
export function presenceMeta(workspaceId: string): SQL {
  return sql`jsonb_build_object(${freshness(workspaceId)}, 'hourly', 0, 'raw', (select count(*) from raw_presence),
    'daily', (select count(distinct p.day) from presence_pieces p where not exists (select from dirty_days d where d.day = p.day)
      and p.slot in (select slot from rolled_presence group by slot)))`;
}
