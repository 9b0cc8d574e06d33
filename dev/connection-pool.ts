import pg from "pg";

/** Connections to one database, and no statement that nobody waits for. */
export interface ConnectionPool {
  /**
   * Lends a connection. Whoever leaves (`gone`) has the statement cancelled.
   * @throws Error 53300 when all connections stay busy, or too many wait for one already
   */
  use<T>(gone: AbortSignal, work: (client: pg.PoolClient) => Promise<T>): Promise<T>;
  /** Closes all; what does not close in time is left to the end of the process. */
  end(): Promise<void>;
}

const MAX_WAITING = 256;
const CANCEL_MS = 2000;
const END_MS = 2000;

/** As the server itself says it of its own limit. */
class BusyError extends Error {
  readonly severity = "ERROR";
  readonly code = "53300";
}

/** The pool says only in words that nothing was free, or that no connection came about. */
const TIMEOUT = /timeout/i;

async function lend(pool: pg.Pool, max: number): Promise<pg.PoolClient> {
  const busy = () => new BusyError(`All ${max} connections to the database are busy.`);
  if (pool.waitingCount >= MAX_WAITING) throw busy();
  try {
    return await pool.connect();
  } catch (error) {
    const isFull = pool.totalCount >= max && TIMEOUT.test(String(error));
    throw isFull ? busy() : error;
  }
}

/** Ends the connection without a word; a server that hangs would not hear one. */
const cut = (client: pg.PoolClient) =>
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();

/**
 * @param max connections at once, beside two for cancelling
 * @param waitMs how long one waits for a connection, milliseconds
 */
export function connectionPool(
  connectionString: string,
  max: number,
  waitMs = 4000,
): ConnectionPool {
  const pool = new pg.Pool({
    connectionString,
    max,
    idleTimeoutMillis: 5_000,
    connectionTimeoutMillis: waitMs,
    pipeline: true,
  });
  const cancelling = new pg.Pool({
    connectionString,
    max: 2,
    idleTimeoutMillis: 1_000,
    connectionTimeoutMillis: CANCEL_MS,
    query_timeout: CANCEL_MS,
  });
  // Heard, or a server that ends an idle connection would end this process.
  for (const each of [pool, cancelling]) each.on("error", () => undefined);

  /**
   * Asks the server to end a statement; when it does not answer, or the statement goes on, the
   * connection goes.
   */
  const cancel = async (client: pg.PoolClient, over: Promise<unknown>) => {
    const { processID } = client as unknown as { processID: number };
    const stopped = cancelling
      .query("select pg_cancel_backend($1)", [processID])
      .then(() => Promise.race([over, new Promise((resolve) => setTimeout(resolve, CANCEL_MS))]))
      .catch(() => undefined);
    await Promise.race([over, stopped]);
    cut(client);
  };
  return {
    async use(gone, work) {
      const client = await lend(pool, max);
      // A server that ends the connection in the middle of a statement says so here too; unheard,
      // it would end this process.
      let broken: Error | undefined;
      const hear = (error: Error) => {
        broken = error;
      };
      client.on("error", hear);
      let cancelled: Promise<void> | undefined;
      try {
        gone.throwIfAborted();
        const running = work(client);
        const over = running.catch(() => undefined);
        const leave = () => {
          cancelled = cancel(client, over);
        };
        gone.addEventListener("abort", leave);
        try {
          return await running;
        } finally {
          gone.removeEventListener("abort", leave);
        }
      } finally {
        await cancelled;
        client.off("error", hear);
        // A cancellation that comes late must not meet the next statement.
        client.release(cancelled ? true : broken);
      }
    },
    async end() {
      const ended = Promise.all([pool.end(), cancelling.end()]);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END_MS))]);
    },
  };
}
