import { type SQL, sql } from "drizzle-orm";

export const commaList = (items: readonly SQL[]) => sql.join([...items], sql`, `);

/** Names of our own, in one piece: a statement has some hundred of them. */
export const nameList = (names: readonly string[]): SQL =>
  sql.raw(names.map((name) => `"${name}"`).join(", "));
