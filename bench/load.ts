import { connect } from "node:net";

export interface LoadResult {
  requestsPerSecond: number;
  /** Answers whose status was not the expected one. */
  failed: number;
}

export interface Load {
  port: number;
  /** A whole HTTP/1.1 request, by its place in the sequence. */
  request(index: number): Buffer;
  connections: number;
  /** Ends after so many requests, or after so long. */
  requests?: number;
  seconds?: number;
  expected: number;
}

/** An HTTP/1.1 request as bytes. */
export function requestBytes(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: Buffer | string,
): Buffer {
  const content = body === undefined ? Buffer.alloc(0) : Buffer.from(body);
  const lines = Object.entries({
    host: "localhost",
    ...headers,
    ...(body === undefined ? {} : { "content-length": String(content.length) }),
  });
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), content]);
}

/** Length of the first whole answer in `bytes`, and its status; undefined while it is not whole. */
function answerOf(bytes: Buffer): { length: number; status: number } | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = bytes.toString("latin1", 0, end).toLowerCase();
  const status = Number(head.slice(9, 12));
  const declared = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  if (declared !== undefined)
    return bytes.length >= end + 4 + Number(declared)
      ? { length: end + 4 + Number(declared), status }
      : undefined;
  if (!head.includes("transfer-encoding: chunked")) return { length: end + 4, status };
  const last = bytes.indexOf("0\r\n\r\n", end + 4);
  return last < 0 ? undefined : { length: last + 5, status };
}

/**
 * Sends requests over keep-alive sockets, one after the other on each. A bare socket costs less CPU
 * than an HTTP client, so that the server is measured; both sides of a ratio use it.
 */
export async function load({
  port,
  request,
  connections,
  requests = Number.POSITIVE_INFINITY,
  seconds = Number.POSITIVE_INFINITY,
  expected,
}: Load): Promise<LoadResult> {
  let sent = 0;
  let done = 0;
  let failed = 0;
  const started = process.hrtime.bigint();
  const elapsed = () => Number(process.hrtime.bigint() - started) / 1e9;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      let buffer: Buffer = Buffer.alloc(0);
      const socket = connect(port, "127.0.0.1");
      const next = () => {
        if (sent >= requests || elapsed() >= seconds) return socket.end(() => resolve());
        socket.write(request(sent++));
        return undefined;
      };
      socket.setNoDelay(true);
      socket.on("connect", next);
      socket.on("error", reject);
      socket.on("data", (chunk) => {
        buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
        const answer = answerOf(buffer);
        if (!answer) return;
        buffer = buffer.subarray(answer.length);
        done++;
        if (answer.status !== expected) failed++;
        next();
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
  return { requestsPerSecond: done / elapsed(), failed };
}
