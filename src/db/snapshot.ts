import { Client, DatabaseError, neonConfig, type QueryArrayConfig } from "@neondatabase/serverless";
import type { SQL } from "drizzle-orm";
import { settleWithin } from "../lib/deadline.ts";
import { type Db, objectsOf, type Statement, toText, valueParsers, withVerbs } from "./client.ts";
import { CONNECT_MS, DEADLINES, END_MS, GRACE_MS, lockLimitMs } from "./deadlines.ts";
import { faultOf, lostSession, noAnswer } from "./faults.ts";
import type { RowBytes } from "./row-bytes.ts";
import { type RowTap, tappedSocket } from "./row-socket.ts";

/** Reads the next rows of a statement, at most so many; they replace those that `into` has. */
export type PageReader = (rows: number, into: RowBytes) => Promise<void>;

export interface Snapshot extends Db {
  /** Reads the rows of a statement, which replace those that `into` has. */
  read(sql: SQL, into: RowBytes): Promise<void>;
  /**
   * Runs a statement whose rows are taken page by page, in the binary form of their types. The
   * server keeps what is not taken yet; one such statement at a time.
   */
  readPages(sql: SQL, take: (next: PageReader) => Promise<void>): Promise<void>;
}

/** A database, and a way to several statements of one snapshot of it. */
export interface SnapshotSource {
  db: Db;
  inSnapshot<T>(work: (snapshot: Snapshot) => Promise<T>): Promise<T>;
}

/** A snapshot that is open already. */
export const openSnapshot = (snapshot: Snapshot): SnapshotSource => ({
  db: snapshot,
  inSnapshot: (work) => work(snapshot),
});

/**
 * A statement that is read in pages is large and grouped: by hash, with room for it, whatever the
 * planner takes the number of rows and groups for; and all of it will be taken.
 */
const PAGED = `set local work_mem = '64MB'; set local enable_sort = off;
  set local cursor_tuple_fraction = 1`;
const UNPAGED = `close pages; set local work_mem to default; set local enable_sort to default;
  set local cursor_tuple_fraction to default`;

/** @throws AppError unavailable for a connection that breaks off or does not answer */
async function heard<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const told = work.catch((error: unknown) => {
    // A failure without a SQLSTATE is a fault of the way to the server.
    throw error instanceof DatabaseError ? (faultOf(error) ?? error) : lostSession(error);
  });
  return settleWithin(limitMs, told, noAnswer);
}

/** The verbs of a session in its transaction. */
function verbsOf(client: Client, tap: RowTap, limitMs: number): Snapshot {
  // A statement that comes again, such as that of the next page, is not parsed again. It is planned
  // again: a plan for any values would lock every partition.
  const names = new Map<string, string>();
  const asked = (sql: SQL) => {
    const { text, params } = toText(sql);
    const name = names.get(text) ?? `s${names.size}`;
    names.set(text, name);
    return { name, text, values: params, rowMode: "array" as const, types: valueParsers };
  };
  const send = (query: QueryArrayConfig | string) =>
    heard(limitMs + GRACE_MS, client.query(query as QueryArrayConfig));
  const all = async <R>(statement: Statement<R>): Promise<R[]> => {
    const { fields, rows } = await send(asked(statement.sql));
    return objectsOf({ fields, rows }).map((row) => statement.row.parse(row));
  };
  const tapped = async (query: QueryArrayConfig, into: RowBytes): Promise<void> => {
    if (tap.into) throw new Error("Another statement's rows are being read");
    into.clear();
    tap.into = into;
    try {
      await send(query);
    } finally {
      tap.into = null;
    }
  };
  return {
    ...withVerbs({
      all,
      transaction: async (statements) => {
        const results: unknown[][] = [];
        for (const statement of statements) results.push(await all(statement));
        return results;
      },
    }),
    read: (sql, into) => tapped(asked(sql), into),
    readPages: async (sql, take) => {
      const { text, params } = toText(sql);
      await send(PAGED);
      const declared = `declare pages binary no scroll cursor for ${text}`;
      await send({ text: declared, values: params, rowMode: "array" });
      await take((rows, into) =>
        tapped({ text: `fetch ${Math.floor(rows)} from pages`, rowMode: "array" }, into),
      );
      await send(UNPAGED);
    },
  };
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
    return await work(verbsOf(client, tap, limitMs));
  } finally {
    if (!isOver) await settleWithin(END_MS, client.end(), noAnswer).catch(() => undefined);
  }
}
