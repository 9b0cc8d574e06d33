import { Client, DatabaseError, neonConfig } from "@neondatabase/serverless";
import type { SQL } from "drizzle-orm";
import { settleWithin } from "../lib/deadline.ts";
import { type Db, objectsOf, type Statement, toText, valueParsers, withVerbs } from "./client.ts";
import { CONNECT_MS, DEADLINES, END_MS, GRACE_MS, lockLimitMs } from "./deadlines.ts";
import { faultOf, lostSession, noAnswer } from "./faults.ts";
import type { RowBytes } from "./row-bytes.ts";
import { type RowTap, tappedSocket } from "./row-socket.ts";

export interface Snapshot extends Db {
  /** Reads the rows of a statement, which replace those that `into` has. */
  read(sql: SQL, into: RowBytes): Promise<void>;
}

/** @throws AppError unavailable for a connection that breaks off or does not answer */
async function heard<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const told = work.catch((error: unknown) => {
    // A failure without a SQLSTATE is a fault of the way to the server.
    throw error instanceof DatabaseError ? (faultOf(error) ?? error) : lostSession(error);
  });
  return settleWithin(limitMs, told, noAnswer);
}

/**
 * Runs a piece of work on one snapshot of the database: a read-only REPEATABLE READ transaction
 * over a WebSocket, for what is too long for one round trip. Nothing of it outlives the call; a
 * lost connection throws.
 * @param endpoint origin of the local endpoint that stands in for Neon's, if any
 * @param limitMs how long a statement may take, in milliseconds (db/deadlines.ts)
 */
export async function withSnapshot<T>(
  databaseUrl: string,
  endpoint: string | undefined,
  work: (db: Snapshot) => Promise<T>,
  limitMs: number = DEADLINES.snapshot,
): Promise<T> {
  if (endpoint) {
    neonConfig.wsProxy = () => `${new URL(endpoint).host}/v2`;
    neonConfig.useSecureWebSocket = false;
    neonConfig.pipelineConnect = false;
  }
  const client = new Client({ connectionString: databaseUrl });
  const tap: RowTap = { into: null };
  client.neonConfig.webSocketConstructor = tappedSocket(tap);
  // Without a listener a connection that breaks between two queries would end the isolate.
  let isOver = false;
  const ended = () => {
    isOver = true;
  };
  client.on("error", ended);
  client.on("end", ended);
  try {
    await heard(CONNECT_MS, client.connect());
    // A worker that is lost must not leave its snapshot open: it would keep dead rows alive.
    const begin = `begin isolation level repeatable read read only;
      set local statement_timeout = ${limitMs}; set local lock_timeout = ${lockLimitMs(limitMs)};
      set local idle_in_transaction_session_timeout = ${2 * limitMs};
      set local plan_cache_mode = force_custom_plan; set local jit = off`;
    await heard(CONNECT_MS, client.query(begin));
    // A statement that comes again, such as that of the next page, is not parsed again. It is
    // planned again: a plan for any values would lock every partition.
    const names = new Map<string, string>();
    const query = (sql: SQL) => {
      const { text, params } = toText(sql);
      const name = names.get(text) ?? `s${names.size}`;
      names.set(text, name);
      const asked = { name, text, values: params, rowMode: "array" as const, types: valueParsers };
      return heard(limitMs + GRACE_MS, client.query(asked));
    };
    const all = async <R>(statement: Statement<R>): Promise<R[]> => {
      const { fields, rows } = await query(statement.sql);
      return objectsOf({ fields, rows }).map((row) => statement.row.parse(row));
    };
    const read = async (sql: SQL, into: RowBytes): Promise<void> => {
      if (tap.into) throw new Error("Another statement's rows are being read");
      into.clear();
      tap.into = into;
      try {
        await query(sql);
      } finally {
        tap.into = null;
      }
    };
    const transaction = async (statements: Statement<unknown>[]) => {
      const results: unknown[][] = [];
      for (const statement of statements) results.push(await all(statement));
      return results;
    };
    return await work({ ...withVerbs({ all, transaction }), read });
  } finally {
    if (!isOver) await settleWithin(END_MS, client.end(), noAnswer).catch(() => undefined);
  }
}
