import type { Context } from "../../context.ts";
import { decodeCursor, type ListPage, oneWay, type PageQuery, paginate } from "../../db/keyset.ts";
import { unprocessable } from "../../lib/errors.ts";
import { ask } from "../ask.ts";
import type { Query } from "../query.ts";
import type { AnswerMeta } from "../result/meta.ts";
import type { AnswerRow } from "../result/rows.ts";

/**
 * A page of groups: by keyset over the order's value and the group itself, or by offset if `skip` is
 * given.
 */
export interface GroupPage {
  rows: AnswerRow[];
  page: ListPage;
  meta: AnswerMeta;
}

/**
 * @param query with `group_by` and one order
 * @throws AppError unprocessable for what cannot be asked, a cursor of another list, or a cursor
 * with `skip`
 */
export async function groupPage(
  ctx: Context,
  workspaceId: string,
  query: Query,
  paging: PageQuery,
  explain = false,
): Promise<GroupPage> {
  const { limit, cursor, skip = 0, include_total = false } = paging;
  oneWay(paging);
  // A cursor names its list, so that a cursor of another order is refused.
  const name = [
    ...(query.group_by ?? []),
    ...(query.order_by ?? []).flatMap(({ measure, direction }) => [measure, direction]),
  ].join(" ");
  const [list, known, value, ...group] =
    cursor === undefined ? [] : decodeCursor(cursor, 3 + (query.group_by ?? []).length);
  const sound =
    (known === "0" && value === "") ||
    (known === "1" && /^-?\d{1,40}(\.\d{1,40})?(e[+-]?\d{1,2})?$/.test(value ?? ""));
  if (cursor !== undefined && (list !== name || !sound))
    throw unprocessable(
      "query.cursor",
      "invalid_cursor",
      "This cursor was not given by this list.",
    );
  const after =
    known === undefined ? undefined : { value: known === "1" ? (value ?? null) : null, group };
  const answer = await ask(
    ctx,
    workspaceId,
    { ...query, limit: limit + skip + 1, after, count: include_total, rowsOnly: true },
    explain,
  );
  const positionOf = ({ position }: AnswerRow) =>
    position && [
      name,
      position.value === null ? "0" : "1",
      position.value ?? "",
      ...position.group,
    ];
  const total = include_total ? (answer.groups ?? 0) : undefined;
  const { shown, page } = paginate(answer.rows.slice(skip), limit, positionOf, { total });
  return { rows: shown, page, meta: answer.meta };
}
