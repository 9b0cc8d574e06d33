import { customType, timestamp } from "drizzle-orm/pg-core";

/** Microsecond timestamps travel as RFC 3339 text: a JavaScript Date would lose three digits and break keyset cursors. */
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 6, mode: "string" });

/** Credits: 6 decimals, always a decimal string in JavaScript. */
export const credits = customType<{ data: string }>({ dataType: () => "numeric(20,6)" });

/** Exact integers too large for bigint (sums of squares of milliseconds). */
export const exact = customType<{ data: string }>({ dataType: () => "numeric" });

/** A bit for each quarter of an hour of a day (UTC), the first one first. */
export const quarters = customType<{ data: string }>({ dataType: () => "bit(96)" });
