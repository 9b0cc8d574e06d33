import { neon, neonConfig, types } from "@neondatabase/serverless";
import type { SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { z } from "zod";
import { backoff, sleep } from "../lib/backoff.ts";
import { settleWithin } from "../lib/deadline.ts";
import { AppError } from "../lib/errors.ts";
import { parseStored } from "../lib/json.ts";
import { fromPostgres } from "../lib/time.ts";
import { DEADLINES, GRACE_MS, lockLimitMs } from "./deadlines.ts";
import { faultOf, isLostRace, noAnswer } from "./faults.ts";

export interface Statement<T> {
  sql: SQL;
  /** The schema of a row: hand-written SQL meets its schema here, once. */
  row: z.ZodType<T>;
}

export interface TransactionOptions {
  isolation: "ReadCommitted" | "RepeatableRead";
  readOnly?: boolean;
}

export interface Db {
  /** Every row. */
  all<T>(statement: Statement<T>): Promise<T[]>;
  /** The first row, if there is one. */
  maybe<T>(statement: Statement<T>): Promise<T | undefined>;
  /** The first row. @throws Error without one */
  one<T>(statement: Statement<T>): Promise<T>;
  /** Runs a statement and ignores its rows. */
  run(sql: SQL): Promise<void>;
  /**
   * All statements in one transaction and one round trip; the rows of each. A lost race (40001,
   * 40P01) is tried again.
   */
  transaction(statements: Statement<unknown>[], options: TransactionOptions): Promise<unknown[][]>;
}

const INT8 = 20;
const TIMESTAMPTZ = 1184;
const JSONB = 3802;
const dialect = new PgDialect();
export const valueParsers = {
  getTypeParser: (oid: number, format?: "text" | "binary") => {
    if (oid === INT8) return Number;
    if (oid === TIMESTAMPTZ) return fromPostgres;
    if (oid === JSONB) return parseStored;
    return types.getTypeParser(oid, format as "text");
  },
} as typeof types;

const MAX_ATTEMPTS = 12;

/** @param limitMs a lost race is not tried again after that */
async function guarded<T>(limitMs: number, run: () => Promise<T>): Promise<T> {
  const until = Date.now() + limitMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!isLostRace(error) || attempt === MAX_ATTEMPTS || Date.now() > until)
        throw faultOf(error) ?? error;
      await sleep(backoff(attempt, 5, 500));
    }
  }
}

interface Result {
  fields: { name: string }[];
  rows: unknown[][];
}

/**
 * Rows as objects: the driver's own way to them, pairs of each row made entries, takes four times
 * as long.
 */
export function objectsOf({ fields, rows }: Result): Record<string, unknown>[] {
  const names = fields.map(({ name }) => name);
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (let index = 0; index < names.length; index++) row[names[index] as string] = values[index];
    return row;
  });
}

/** Row by row: a schema of a list, made anew for each call, costs more than the rows of a page. */
function rowsOf<T>({ row }: Statement<T>, result: Result): T[] {
  return objectsOf(result).map((each) => row.parse(each));
}

/**
 * Neon's endpoint reads no text with half a surrogate pair, and nothing else may: no database can
 * store one.
 */
const isIllFormed = (param: unknown): boolean =>
  typeof param === "string"
    ? !param.isWellFormed()
    : Array.isArray(param) && param.some(isIllFormed);

/**
 * A statement as the driver takes it.
 * @throws AppError unprocessable for a text that is no well-formed one
 */
export function toText(sql: SQL): { text: string; params: unknown[] } {
  const { sql: text, params } = dialect.sqlToQuery(sql);
  if (params.some(isIllFormed))
    throw new AppError("unprocessable", "invalid_text", "A text ends in half of a character.");
  return { text, params };
}

/** A database with all verbs, from those that reach it. */
export function withVerbs(base: Pick<Db, "all" | "transaction">): Db {
  return {
    ...base,
    maybe: async (statement) => (await base.all(statement))[0],
    one: async (statement) => {
      const [row] = await base.all(statement);
      if (row === undefined) throw new Error("The statement gave no row");
      return row;
    },
    run: async (sql) => void (await base.all({ sql, row: z.unknown() })),
  };
}

const known = new Map<string, Db>();

/**
 * PostgreSQL over Neon's HTTP endpoint: one round trip a call, no session, so that all requests of
 * the isolate may share it.
 * @param endpoint origin of the local endpoint that stands in for Neon's, if any
 * @param limitMs how long a statement may take, in milliseconds (db/deadlines.ts)
 */
export function connect(
  databaseUrl: string,
  endpoint: string | undefined,
  limitMs: number = DEADLINES.request,
): Db {
  const key = `${databaseUrl}\n${endpoint ?? ""}\n${limitMs}`;
  const db = known.get(key) ?? open(databaseUrl, endpoint, limitMs);
  known.set(key, db);
  return db;
}

function open(databaseUrl: string, endpoint: string | undefined, limitMs: number): Db {
  // The driver keeps this setting for the whole isolate; an isolate has one configuration, so that
  // is the same thing.
  if (endpoint) neonConfig.fetchEndpoint = () => `${endpoint}/sql`;
  const run = neon(databaseUrl, { arrayMode: true, fullResults: true });
  // Neon's endpoint ignores settings of the connection string, and forgets a session's: each
  // transaction brings its own. What is compiled is run once: it costs more than it saves.
  const limited = `select set_config('statement_timeout', '${limitMs}', true),
    set_config('lock_timeout', '${lockLimitMs(limitMs)}', true), set_config('jit', 'off', true)`;
  const send = async (
    compiled: ReturnType<typeof toText>[],
    options: { isolationLevel?: TransactionOptions["isolation"]; readOnly?: boolean },
  ): Promise<Result[]> => {
    const stop = new AbortController();
    const work = run.transaction(
      // The driver reads parsers from each query, not from the connection.
      [
        run.query(limited),
        ...compiled.map(({ text, params }) => run.query(text, params, { types: valueParsers })),
      ],
      { ...options, fetchOptions: { signal: stop.signal } },
    );
    try {
      return (await settleWithin(limitMs + GRACE_MS, work, noAnswer)).slice(1) as Result[];
    } finally {
      // Neon, and the local endpoint, cancel the statement of a caller that has gone.
      stop.abort();
    }
  };
  return withVerbs({
    all: async (statement) => {
      const compiled = [toText(statement.sql)];
      return guarded(limitMs, async () => {
        const [result] = await send(compiled, {});
        return rowsOf(statement, result as Result);
      });
    },
    transaction: async (statements, { isolation, readOnly = false }) => {
      const compiled = statements.map((statement) => toText(statement.sql));
      return guarded(limitMs, async () => {
        const results = await send(compiled, { isolationLevel: isolation, readOnly });
        return statements.map((statement, index) => rowsOf(statement, results[index] as Result));
      });
    },
  });
}
