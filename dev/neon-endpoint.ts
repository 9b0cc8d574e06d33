import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import pg from "pg";
import { WebSocketServer } from "ws";

interface Query {
  query: string;
  params?: unknown[];
}

const asText = { getTypeParser: () => (value: string) => value };
const ISOLATION: Record<string, string> = {
  ReadUncommitted: "READ UNCOMMITTED",
  ReadCommitted: "READ COMMITTED",
  RepeatableRead: "REPEATABLE READ",
  Serializable: "SERIALIZABLE",
};
const ERROR_FIELDS = [
  "severity",
  "code",
  "detail",
  "hint",
  "position",
  "schema",
  "table",
  "column",
  "constraint",
  "routine",
] as const;

async function runOne(client: pg.ClientBase, { query, params }: Query) {
  const result = await client.query({
    text: query,
    values: params ?? [],
    rowMode: "array",
    types: asText,
  });
  const fields = result.fields.map(({ name, dataTypeID }) => ({ name, dataTypeID }));
  return {
    command: result.command,
    rowCount: result.rowCount,
    rows: result.rows,
    fields,
    rowAsArray: true,
  };
}

function beginOf(headers: IncomingMessage["headers"]): string {
  const isolation = ISOLATION[String(headers["neon-batch-isolation-level"] ?? "")];
  const words = ["BEGIN"];
  if (isolation) words.push(`ISOLATION LEVEL ${isolation}`);
  if (headers["neon-batch-read-only"] === "true") words.push("READ ONLY");
  if (headers["neon-batch-deferrable"] === "true") words.push("DEFERRABLE");
  return words.join(" ");
}

async function runBatch(client: pg.ClientBase, queries: Query[], begin: string) {
  await client.query(begin);
  try {
    const results = [];
    for (const query of queries) results.push(await runOne(client, query));
    await client.query("COMMIT");
    return { results };
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * What Neon's proxy offers to its serverless driver, for any PostgreSQL: `POST /sql` (one statement or one transaction) and
 * a WebSocket relay at `/v2`. Connections are pooled by connection string. It listens on the loopback interface, and the relay
 * leads to the server of `database` whatever address a client names: it must not open this machine's other ports.
 */
export async function startNeonEndpoint(database: string, { port = 0, connections = 16 } = {}) {
  const target = new URL(database);
  const pools = new Map<string, pg.Pool>();
  const poolOf = (url: string) => {
    const known = pools.get(url);
    if (known) return known;
    const pool = new pg.Pool({ connectionString: url, max: connections, idleTimeoutMillis: 5_000 });
    pool.on("error", () => undefined);
    pools.set(url, pool);
    return pool;
  };
  const answer = (response: ServerResponse, status: number, value: unknown) => {
    const body = Buffer.from(JSON.stringify(value));
    response.writeHead(status, {
      "content-type": "application/json",
      "content-length": body.length,
    });
    response.end(body);
  };
  const server = createServer((request, response) => {
    const handle = async () => {
      if (request.method !== "POST" || request.url !== "/sql")
        return answer(response, 404, { message: "POST /sql" });
      const body = JSON.parse(await bodyOf(request)) as Query | { queries: Query[] };
      const client = await poolOf(String(request.headers["neon-connection-string"])).connect();
      // A server that ends the connection in the middle of a statement says so here too; unheard, it would end this process.
      let broken: Error | undefined;
      const hear = (error: Error) => {
        broken = error;
      };
      client.on("error", hear);
      try {
        answer(
          response,
          200,
          "queries" in body
            ? await runBatch(client, body.queries, beginOf(request.headers))
            : await runOne(client, body),
        );
      } finally {
        client.off("error", hear);
        client.release(broken);
      }
    };
    handle().catch((error: Record<string, unknown> & Error) => {
      const fields = Object.fromEntries(
        ERROR_FIELDS.flatMap((name) => (error[name] === undefined ? [] : [[name, error[name]]])),
      );
      // Without a SQLSTATE the server itself could not be reached: that is not the statement's fault.
      if (!response.headersSent)
        answer(response, "code" in fields && "severity" in fields ? 400 : 503, {
          message: error.message,
          ...fields,
        });
      else response.destroy();
    });
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    const tcp = connect(Number(target.port || 5432), target.hostname);
    socket.on("message", (data) => tcp.write(data as Buffer));
    socket.on("close", () => tcp.destroy());
    tcp.on("data", (data) => socket.send(data));
    tcp.on("close", () => socket.close());
    tcp.on("error", () => socket.close());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all([...pools.values()].map((pool) => pool.end()));
    },
  };
}
