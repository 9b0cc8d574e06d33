import { type SQL, sql } from "drizzle-orm";
import { type EpochUs, formatInstant } from "../lib/time.ts";

/** An instant as a parameter. */
export const instantSql = (at: EpochUs): SQL => sql`${formatInstant(at)}::timestamptz`;

/** A list of instants as one parameter. */
export const instantList = (list: readonly EpochUs[]): SQL =>
  sql`${sql.param(list.map(formatInstant))}::timestamptz[]`;

/** Ranges as one parameter: a multirange, which joins those that touch. */
export const instantRanges = (ranges: readonly { from: EpochUs; to: EpochUs }[]): SQL => {
  const texts = ranges.map(({ from, to }) => `[${formatInstant(from)},${formatInstant(to)})`);
  return sql`${`{${texts.join(",")}}`}::tstzmultirange`;
};

/** Predicate: the column lies in the half-open range [from, to). */
export const withinRange = (column: SQL, { from, to }: { from: EpochUs; to: EpochUs }): SQL =>
  sql`${column} >= ${instantSql(from)} and ${column} < ${instantSql(to)}`;
