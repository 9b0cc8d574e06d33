import { NeonDbError, neon, neonConfig, types } from "@neondatabase/serverless";
import type { SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import type { z } from "zod";
import { backoff, sleep } from "../lib/backoff.ts";
import { AppError } from "../lib/errors.ts";
import { fromPostgres } from "../lib/time.ts";

export interface Statement<T> {
  sql: SQL;
  /** What a row is: hand-written SQL meets its schema here, once. */
  row: z.ZodType<T>;
}

export interface TransactionOptions {
  isolation: "ReadCommitted" | "RepeatableRead";
  readOnly?: boolean;
}

export interface Db {
  query<T>(statement: Statement<T>): Promise<T[]>;
  /** All statements in one transaction and one round trip; the rows of each. A lost race (40001, 40P01) is tried again. */
  transaction(statements: Statement<unknown>[], options: TransactionOptions): Promise<unknown[][]>;
}

const INT8 = 20;
const TIMESTAMPTZ = 1184;
const dialect = new PgDialect();
export const parsers = {
  getTypeParser: (oid: number, format?: "text" | "binary") => {
    if (oid === INT8) return Number;
    if (oid === TIMESTAMPTZ) return fromPostgres;
    return types.getTypeParser(oid, format as "text");
  },
} as typeof types;

const MAX_ATTEMPTS = 12;
const SERIALIZATION_FAILURES = new Set(["40001", "40P01"]);

/** SQLSTATE of what the driver threw, or undefined. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof NeonDbError ? error.code : undefined;
}

/** The server out of reach, starting, stopping, or out of connections: worth another try by the caller, not a bug of ours. */
function isUnavailable(error: unknown): boolean {
  if (!(error instanceof NeonDbError)) return false;
  return error.code === undefined || /^(08|57P|53)/.test(error.code);
}

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (SERIALIZATION_FAILURES.has(sqlState(error) ?? "") && attempt < MAX_ATTEMPTS) {
        await sleep(backoff(attempt, 5, 500));
        continue;
      }
      if (!isUnavailable(error)) throw error;
      throw new AppError("unavailable", "database_unavailable", "The database cannot be reached.", {
        retryAfterSeconds: 5,
        cause: error,
      });
    }
  }
}

interface Result {
  fields: { name: string }[];
  rows: unknown[][];
}

/** Rows as objects: the driver's own way to them, pairs of each row made entries, takes four times as long. */
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

/** A statement as the driver takes it. */
export function toText(sql: SQL): { text: string; params: unknown[] } {
  const { sql: text, params } = dialect.sqlToQuery(sql);
  return { text, params };
}

const known = new Map<string, Db>();

/**
 * PostgreSQL over Neon's HTTP endpoint: one round trip a call, no session, so that all requests of the isolate may share it.
 * @param endpoint origin of the local endpoint that stands in for Neon's, if any
 */
export function connect(databaseUrl: string, endpoint: string | undefined): Db {
  const key = `${databaseUrl}\n${endpoint ?? ""}`;
  const db = known.get(key) ?? open(databaseUrl, endpoint);
  known.set(key, db);
  return db;
}

function open(databaseUrl: string, endpoint: string | undefined): Db {
  // The driver keeps this setting for the whole isolate; an isolate has one configuration, so that is the same thing.
  if (endpoint) neonConfig.fetchEndpoint = () => `${endpoint}/sql`;
  const run = neon(databaseUrl, { arrayMode: true, fullResults: true });
  // The driver reads parsers from each query, not from the connection.
  const send = (text: string, params: unknown[]) => run.query(text, params, { types: parsers });
  return {
    query: (statement) => {
      const { text, params } = toText(statement.sql);
      return guarded(async () => rowsOf(statement, await send(text, params)));
    },
    transaction: (statements, { isolation, readOnly = false }) => {
      const compiled = statements.map((statement) => toText(statement.sql));
      return guarded(async () => {
        const queries = compiled.map(({ text, params }) => send(text, params));
        const results = await run.transaction(queries, { isolationLevel: isolation, readOnly });
        return statements.map((statement, index) => rowsOf(statement, results[index] as Result));
      });
    },
  };
}
