import { type SQL, sql } from "drizzle-orm";

export const commaList = (items: readonly SQL[]) => sql.join([...items], sql`, `);

export const nameList = (items: readonly string[]) =>
  commaList(items.map((name) => sql`${sql.identifier(name)}`));
