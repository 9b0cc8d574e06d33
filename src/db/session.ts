import { Client, neonConfig } from "@neondatabase/serverless";
import { type Db, objectsOf, parsers, type Statement, toText } from "./client.ts";

/**
 * Runs a piece of work on one snapshot of the database: a read-only REPEATABLE READ transaction over a WebSocket, for what
 * is too long for one round trip. Nothing of it outlives the call; a lost connection throws.
 * @param endpoint origin of the local endpoint that stands in for Neon's, if any
 */
export async function withSnapshot<T>(
  databaseUrl: string,
  endpoint: string | undefined,
  work: (db: Db) => Promise<T>,
): Promise<T> {
  if (endpoint) {
    neonConfig.wsProxy = () => `${new URL(endpoint).host}/v2`;
    neonConfig.useSecureWebSocket = false;
    neonConfig.pipelineConnect = false;
  }
  const client = new Client({ connectionString: databaseUrl });
  // Without a listener a connection that breaks between two queries would end the isolate.
  client.on("error", () => undefined);
  await client.connect();
  try {
    await client.query("begin isolation level repeatable read read only");
    // A statement that comes again, such as that of the next page, is not parsed and planned again.
    const names = new Map<string, string>();
    const query = async <R>(statement: Statement<R>): Promise<R[]> => {
      const { text, params } = toText(statement.sql);
      const name = names.get(text) ?? `s${names.size}`;
      names.set(text, name);
      const { fields, rows } = await client.query({
        name,
        text,
        values: params,
        rowMode: "array",
        types: parsers,
      });
      return objectsOf({ fields, rows }).map((row) => statement.row.parse(row));
    };
    const transaction = async (statements: Statement<unknown>[]) => {
      const results: unknown[][] = [];
      for (const statement of statements) results.push(await query(statement));
      return results;
    };
    return await work({ query, transaction });
  } finally {
    await client.end().catch(() => undefined);
  }
}
