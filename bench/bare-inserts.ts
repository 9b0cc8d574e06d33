import pg from "pg";
import { sampleExecution } from "./seed.ts";

/** The load of the Worker and of the reference: so many rows, by clients that each send batches. */
export const CLIENTS = 4;
export const BATCH = 500;
export const ROWS = 60_000;
export const WORKSPACE = "bench-1";
const KEYS = ["workspace_id", "id", "started_at"];
const COLUMNS = [
  ...[
    "workspace_id",
    "id",
    "started_at",
    "agent_id",
    "user_id",
    "status",
    "ended_at",
    "duration_given_ms",
    "credits",
    "tokens_in",
    "tokens_out",
    "model",
  ],
  ...["environment", "metadata", "settled"],
];

const valuesOf = (rows: number, columns: number) =>
  Array.from(
    { length: rows },
    (_, row) =>
      `(${Array.from({ length: columns }, (_, column) => `$${row * columns + column + 1}`).join(",")})`,
  ).join(",");

/** The same rows into the same tables by multi-row INSERT, without the rules. Rows a second. */
export async function bareInserts(url: string, prefix: string, now: number): Promise<number> {
  const pool = new pg.Pool({ connectionString: url, max: CLIENTS });
  const keys = `insert into execution_keys (${KEYS.join(", ")}) values ${valuesOf(BATCH, KEYS.length)}`;
  const rows = `insert into executions (${COLUMNS.join(", ")}) values ${valuesOf(BATCH, COLUMNS.length)}`;
  let next = 0;
  const started = performance.now();
  const writer = async () => {
    const client = await pool.connect();
    for (let from = next; from < ROWS; from = next) {
      next += BATCH;
      const items = Array.from({ length: BATCH }, (_, index) =>
        sampleExecution(prefix, from + index, now),
      );
      await client.query("begin");
      await client.query(
        keys,
        items.flatMap((item) => [WORKSPACE, item.id, item.started_at]),
      );
      await client.query(
        rows,
        items.flatMap((item) => {
          const {
            id,
            started_at,
            agent_id,
            user_id,
            status,
            ended_at,
            duration_ms,
            credits,
            tokens_in,
            tokens_out,
            model,
            environment,
            metadata,
          } = item;
          return [
            WORKSPACE,
            id,
            started_at,
            agent_id,
            user_id,
            status,
            ended_at,
            duration_ms,
            credits,
            tokens_in,
            tokens_out,
            model,
            environment,
            JSON.stringify(metadata),
            4023,
          ];
        }),
      );
      await client.query("commit");
    }
    client.release();
  };
  await Promise.all(Array.from({ length: CLIENTS }, writer));
  const seconds = (performance.now() - started) / 1000;
  await pool.end();
  return ROWS / seconds;
}
