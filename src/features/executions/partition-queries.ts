import { sql } from "drizzle-orm";
import type { Context } from "../../context.ts";
import { sqlState } from "../../db/faults.ts";
import type { Message } from "./message.ts";

const NO_PARTITION = "23514";

/**
 * Months are made on demand: the first row of a month that nobody foresaw finds no partition, and
 * the statement wrote nothing.
 */
export async function withPartitions<T>(
  ctx: Context,
  messages: readonly Message[],
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (sqlState(error) !== NO_PARTITION) throw error;
    const months = [
      ...new Set(messages.flatMap((message) => message.started_at?.slice(0, 7) ?? [])),
    ].sort();
    for (const month of months) {
      await ctx.db.run(
        sql`select ensure_execution_partition(${`${month}-01T00:00:00Z`}::timestamptz)::text`,
      );
    }
    return await write();
  }
}
