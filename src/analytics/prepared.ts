import type { Db, Statement } from "../db/client.ts";

/** A question that is ready to be sent, and what makes its rows the answer. */
export interface PreparedQuery<T> {
  statement: Statement<unknown>;
  finish(rows: unknown[]): T;
}

/** A hand-written statement as a part of a larger question. */
export function prepared<R, T>(
  statement: Statement<R>,
  finish: (rows: R[]) => T,
): PreparedQuery<T> {
  return { statement, finish: (rows) => finish(rows as R[]) };
}

type Results<P extends readonly PreparedQuery<unknown>[]> = {
  [K in keyof P]: P[K] extends PreparedQuery<infer T> ? T : never;
};

/**
 * Answers several questions from one snapshot, in one round trip: their numbers agree with each
 * other.
 */
export async function runInOneSnapshot<const P extends readonly PreparedQuery<unknown>[]>(
  db: Db,
  parts: P,
): Promise<Results<P>> {
  const statements = parts.map((part) => part.statement);
  const [only] = statements;
  const results =
    only && statements.length === 1
      ? [await db.all(only)]
      : await db.transaction(statements, { isolation: "RepeatableRead", readOnly: true });
  return parts.map((part, index) => part.finish(results[index] ?? [])) as Results<P>;
}
