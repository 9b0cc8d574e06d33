import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import { type ConnectionPool, connectionPool } from "./connection-pool.ts";

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

/**
 * A transaction in one round trip: all of it is sent before the first answer. What follows a failed
 * statement fails too, and the COMMIT rolls back.
 */
async function runBatch(client: pg.ClientBase, queries: Query[], begin: string) {
  const [begun, ...sent] = [client.query(begin), ...queries.map((query) => runOne(client, query))];
  const committed = client.query("COMMIT");
  await Promise.allSettled([begun, ...sent, committed]);
  await begun;
  const results = await Promise.all(sent);
  await committed;
  return { results };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** SQLSTATE makes it the database's answer (400); without one the database could not be reached. */
function failure(error: Record<string, unknown> & Error): [number, object] {
  const fields = Object.fromEntries(
    ERROR_FIELDS.flatMap((name) => (error[name] === undefined ? [] : [[name, error[name]]])),
  );
  const status = "code" in fields && "severity" in fields ? 400 : 503;
  return [status, { message: error.message, ...fields }];
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(JSON.stringify(value));
  const headers = { "content-type": "application/json", "content-length": body.length };
  response.writeHead(status, headers).end(body);
}

/** Aborted when the caller disconnects before it has its answer. */
function leaving(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => response.writableFinished || gone.abort());
  return gone.signal;
}

/** Bytes both ways, no faster than the slower side takes them, until either ends. */
async function relay(socket: WebSocket, target: URL): Promise<void> {
  const tcp = connect({ port: Number(target.port || 5432), host: target.hostname, noDelay: true });
  const frames = createWebSocketStream(socket);
  await pipeline(frames, tcp, frames).catch(() => undefined);
  socket.terminate();
}

export interface EndpointOptions {
  port?: number;
  /** Statements at once. */
  connections?: number;
  /** Sessions at once. */
  sessions?: number;
  /** Longest wait of a statement for a connection, milliseconds. */
  waitMs?: number;
}

/**
 * The interface of Neon's proxy for its serverless driver, in front of any PostgreSQL: `POST /sql`
 * (one statement or one transaction) and a WebSocket relay at `/v2`. Connections are pooled by connection string,
 * and a statement whose caller leaves is cancelled. It listens on the loopback interface, and the
 * relay leads to the server of `database` whatever address a client names: it must not open this
 * machine's other ports.
 */
export async function startNeonEndpoint(
  database: string,
  { port = 0, connections = 32, sessions = 32, waitMs }: EndpointOptions = {},
) {
  const target = new URL(database);
  const pools = new Map<string, ConnectionPool>();
  const poolOf = (url: string) => {
    const pool = pools.get(url) ?? connectionPool(url, connections, waitMs);
    pools.set(url, pool);
    return pool;
  };
  const server = createServer((request, response) => {
    const gone = leaving(response);
    const handle = async () => {
      if (request.method !== "POST" || request.url !== "/sql")
        return answer(response, 404, { message: "POST /sql" });
      const body = JSON.parse(await bodyOf(request)) as Query | { queries: Query[] };
      const url = String(request.headers["neon-connection-string"]);
      const result = await poolOf(url).use<object>(gone, (client) =>
        "queries" in body
          ? runBatch(client, body.queries, beginOf(request.headers))
          : runOne(client, body),
      );
      answer(response, 200, result);
    };
    handle().catch((error) => answer(response, ...failure(error)));
  });
  // The runtime closes an idle connection after 5 s. At the server's default, also 5 s, both would.
  server.keepAliveTimeout = 120_000;
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket) => {
    if (sockets.clients.size > sessions) socket.close(1013, "Too many sessions at once");
    else void relay(socket, target);
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
