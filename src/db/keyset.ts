import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { unprocessable } from "../lib/errors.ts";
import { formatInstant, isAskable, parseInstant } from "../lib/time.ts";
import type { Db } from "./client.ts";

export interface PageQuery {
  limit: number;
  cursor?: string | undefined;
  skip?: number | undefined;
  include_total?: boolean | undefined;
}

export interface ListedPage<T> {
  /** Table (alias `e`) and the columns of a row. */
  from: SQL;
  columns: SQL;
  row: z.ZodType<T>;
  where: SQL[];
  /** The column that orders the list, newest first; ties by `id`. */
  time: string;
  timeOf(row: T): string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

/** A keyset position as an opaque text. */
export function encodeCursor(position: readonly string[]): string {
  const bytes = encoder.encode(JSON.stringify(position));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * The moment of a keyset position.
 * @throws AppError unprocessable for one that no list has given
 */
function cursorInstant(text: string): string {
  const at = parseInstant(text);
  if (at === undefined || !isAskable(at)) throw notOfThisList();
  return formatInstant(at);
}

/** @throws AppError unprocessable for a text that no list has given */
export function decodeCursor(cursor: string, length: number): string[] {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    const position: unknown = JSON.parse(decoder.decode(bytes));
    if (
      Array.isArray(position) &&
      position.length === length &&
      position.every(
        (item) => typeof item === "string" && !item.includes("\0") && item.isWellFormed(),
      )
    )
      return position;
  } catch {
    // Falls through: whatever is wrong with it, it is not ours.
  }
  throw notOfThisList();
}

const notOfThisList = () =>
  unprocessable("query.cursor", "invalid_cursor", "This cursor was not given by this list.");

/** @throws AppError unprocessable for a range that is empty or reversed */
export function inOrder({
  from,
  to,
}: {
  from?: number | undefined;
  to?: number | undefined;
}): void {
  if (from !== undefined && to !== undefined && from >= to)
    throw unprocessable("query.to", "range_reversed", "The range must end after it starts.");
}

/** @throws AppError unprocessable for both ways to page at once */
export function oneWay({ cursor, skip }: Partial<PageQuery>): void {
  if (cursor !== undefined && skip !== undefined)
    throw unprocessable("query.skip", "cursor_and_skip", "Page by cursor or by skip, not both.");
}

const counted = z.object({ total: z.number() });
const measured = z.looseObject({ rows_found: z.number() });
/** Limit of a page's rows as text: an isolate can hold it several times, for several callers. */
const PAGE_BYTES = 2 * 1024 * 1024;

/**
 * Limits a page to PAGE_BYTES, but not to less than one row; the rest never leaves the database.
 * @param page statement with one row more than the page shows
 * @param order of the page, by the alias `p`
 */
export function boundedPage(page: SQL, order: SQL): SQL {
  const before = sql`(
          order by ${order} rows between unbounded preceding and 1 preceding
        )`;
  return sql`
    select *
    from (
      select p.*,
        count(*) over () as rows_found,
        coalesce(sum(octet_length(p::text)) over ${before}, 0) as bytes_before
      from (${page}) p
    ) p
    where p.bytes_before < ${PAGE_BYTES}::bigint
    order by ${order}`;
}

/**
 * Checks that a page by offset was not cut by its bytes: its caller counts on whole pages, and
 * would step over the rest.
 * @param found how many rows the page would have without that bound
 * @throws AppError unprocessable
 */
export function checkWholePage(
  rows: readonly unknown[],
  found: number,
  { limit, skip }: Pick<PageQuery, "limit" | "skip">,
): void {
  const shown = Math.min(rows.length, limit);
  if (skip !== undefined && shown < Math.min(found, limit))
    throw unprocessable(
      "query.limit",
      "page_too_large",
      `Only ${shown} of these rows fit into a page of ${PAGE_BYTES} bytes; ` +
        "set limit to this number, or page by cursor.",
    );
}

/** The `page` of an answer. */
export interface ListPage {
  limit: number;
  next_cursor: string | null;
  has_more: boolean;
  total?: number;
}

/**
 * The rows that a page shows, and the `page` of its answer.
 * @param rows of the page, with at least one more if there is one
 * @param positionOf the keyset position behind a row; undefined if it has none
 * @param counts total: all rows of the list; found: rows that were found, if `rows` was cut
 */
export function paginate<T>(
  rows: readonly T[],
  limit: number,
  positionOf: (row: T) => readonly string[] | undefined,
  { total, found = rows.length }: { total?: number | undefined; found?: number } = {},
): { shown: T[]; page: ListPage } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const has_more = found > shown.length;
  const position = has_more && last !== undefined ? positionOf(last) : undefined;
  const next_cursor = position === undefined ? null : encodeCursor(position);
  const page = { limit, next_cursor, has_more };
  return { shown, page: total === undefined ? page : { ...page, total } };
}

/**
 * One page of a list by time: by keyset, so that rows that arrive meanwhile shift nothing, or by
 * offset when `skip` is given. It has fewer rows than the limit where more would be too many bytes;
 * the cursor goes on behind them.
 * @throws AppError unprocessable for a cursor of another list, or with `skip`; for a page by offset
 * that is too many bytes
 */
export async function listByTime<T extends { id: string }>(
  db: Db,
  { from, columns, row, where, time, timeOf }: ListedPage<T>,
  query: PageQuery,
) {
  const at = sql`e.${sql.identifier(time)}`;
  const conditions = [...where];
  oneWay(query);
  if (query.cursor !== undefined) {
    const [list, position = "", id = ""] = decodeCursor(query.cursor, 3);
    if (list !== time) throw notOfThisList();
    const last = sql`${cursorInstant(position)}::timestamptz`;
    // The first comparison alone lets the planner leave out newer partitions.
    conditions.push(sql`${at} <= ${last} and (${at}, e.id) < (${last}, ${id})`);
  }
  const listed = sql`select ${columns} from ${from} where ${sql.join(conditions, sql` and `)}
    order by ${at} desc, e.id desc limit ${query.limit + 1} offset ${query.skip ?? 0}`;
  const rows = await db.all({
    sql: boundedPage(listed, sql`p.${sql.identifier(time)} desc, p.id desc`),
    row: measured,
  });
  const found = rows[0]?.rows_found ?? 0;
  checkWholePage(rows, found, query);
  const listedRows = rows.map((each) => row.parse(each));
  const counts = query.include_total
    ? await db.one({
        sql: sql`select count(*) as total from ${from} where ${sql.join(where, sql` and `)}`,
        row: counted,
      })
    : undefined;
  const positionOf = (each: T) => [time, timeOf(each), each.id];
  const total = counts?.total;
  const { shown, page } = paginate(listedRows, query.limit, positionOf, { total, found });
  return { data: shown, page };
}
