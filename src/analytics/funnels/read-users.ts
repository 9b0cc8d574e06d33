import type { SQL } from "drizzle-orm";
import { z } from "zod";
import { RowBytes } from "../../db/row-bytes.ts";
import type { Snapshot } from "../../db/snapshot.ts";
import { type BudgetName, WORK_BUDGETS } from "../../lib/budget.ts";
import { textBetween } from "../../lib/cells.ts";
import { AppError } from "../../lib/errors.ts";
import type { PackedUser } from "./unpack.ts";

/** Of a page of users, and of the next one, which is on its way. */
const PAGE_BYTES = 1024 * 1024;
/** Of a row, beside its moments and properties. */
const ROW_BYTES = 100;

/** @throws AppError unprocessable for more moments than the budget allows */
function checkMoments(name: BudgetName, moments: number): void {
  const { limit, code, of } = WORK_BUDGETS[name];
  if (moments <= limit) return;
  const message = `The range has more than ${limit} ${of}; ask for a shorter range or stricter filters.`;
  throw new AppError("unprocessable", code, message, {
    errors: [{ path: "from", code, message, amount: moments, limit }],
  });
}

/** A row of the texts that `occurrenceTexts` gives. */
export const textRow = z.object({
  user_id: z.string(),
  moments: z.string().nullable(),
  properties: z.string().nullable(),
  total: z.int(),
});

const bytesOf = (text: string) => Uint8Array.fromBase64(text);

/** @returns undefined if there are more moments than the statement was to give */
export function usersOfTexts(rows: readonly z.output<typeof textRow>[]): PackedUser[] | undefined {
  if (rows[0]?.moments === null) return undefined;
  return rows.map(({ user_id, moments, properties }) => ({
    userId: user_id,
    moments: bytesOf(moments ?? ""),
    properties: properties === null ? null : bytesOf(properties),
  }));
}

/** A row of a page in binary form: user_id, moments, properties, total, most. */
function* usersOfPage({ bytes, bounds, width, rows }: RowBytes): Generator<PackedUser> {
  const between = (row: number, column: number) => {
    const at = 2 * (row * width + column);
    return [bounds[at] ?? -1, bounds[at + 1] ?? -1] as const;
  };
  for (let row = 0; row < rows; row++) {
    const properties = between(row, 2);
    yield {
      userId: textBetween(bytes, ...between(row, 0)),
      moments: bytes.subarray(...between(row, 1)),
      properties: properties[0] < 0 ? null : bytes.subarray(...properties),
    };
  }
}

/** Bytes of a row's moments and properties. */
function bytesIn({ bounds, width }: RowBytes, row: number): number {
  const at = 2 * (row * width + 1);
  const sizeAt = (place: number) => (bounds[place + 1] ?? 0) - (bounds[place] ?? 0);
  return sizeAt(at) + sizeAt(at + 2);
}

/** @throws AppError unprocessable for more than the budgets allow, by the first row */
function checkFirst(page: RowBytes): void {
  const view = new DataView(page.bytes.buffer);
  const numberAt = (column: number) => view.getInt32(page.bounds[2 * column] ?? 0);
  checkMoments("moments", numberAt(3));
  checkMoments("momentsOfUser", numberAt(4));
  checkMoments("bytesOfUser", bytesIn(page, 0));
}

/**
 * The users of `packedOccurrences`, page by page; the next page is under way while one is taken.
 * The largest come first: so no row is larger than the last one, and a page has its bound.
 * @throws AppError unprocessable for more moments than the budgets allow, before any is taken
 */
export async function readUsers(
  snapshot: Snapshot,
  packed: SQL,
  take: (user: PackedUser) => void,
  pageBytes = PAGE_BYTES,
): Promise<void> {
  await snapshot.readPages(packed, async (next) => {
    let [page, coming] = [new RowBytes(), new RowBytes()];
    let asked = 1;
    await next(asked, page);
    if (page.rows === 0) return;
    checkFirst(page);
    while (page.rows > 0) {
      const isLast = page.rows < asked;
      asked = Math.max(1, Math.floor(pageBytes / (ROW_BYTES + bytesIn(page, page.rows - 1))));
      coming.clear();
      const arriving = isLast ? Promise.resolve() : next(asked, coming);
      // The next page has an end of its own, whatever becomes of this one.
      arriving.catch(() => undefined);
      for (const user of usersOfPage(page)) take(user);
      await arriving;
      [page, coming] = [coming, page];
    }
  });
}
