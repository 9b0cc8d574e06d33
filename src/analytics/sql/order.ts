import { type SQL, sql } from "drizzle-orm";
import { commaList } from "./lists.ts";

export interface GroupOrder {
  column: SQL;
  type: "numeric" | "float8";
  descending: boolean;
}

/**
 * The place of a group in its order: the value it is ordered by (as text, null for none) and the
 * group itself.
 */
export interface GroupPosition {
  value: string | null;
  group: string[];
}

/** Groups that stand after a position: nothing of what an earlier page showed. */
export function standsAfter(
  { column, type, descending }: GroupOrder,
  keys: SQL,
  { value, group }: GroupPosition,
): SQL {
  const later = sql`(${keys}) > (${commaList(group.map((each) => sql`${each}::text`))})`;
  if (value === null) return sql`${column} is null and ${later}`;
  const at = sql`${value}::${sql.raw(type)}`;
  const worse = sql.raw(descending ? "<" : ">");
  return sql`${column} ${worse} ${at}
      or (${column} = ${at} and ${later})
      or ${column} is null`;
}
