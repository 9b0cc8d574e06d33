import { createServer, request as forward, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { inject } from "vitest";

/** Stands before the database's endpoint: counts what is sent there, and can slow it down. */
export interface Gate {
  /** For NEON_ENDPOINT of an instance. */
  url: string;
  /** Statements and transactions so far. */
  trips: number;
  /** The wait of each before it goes on, in milliseconds. */
  delayMs: number;
  close(): Promise<void>;
}

export async function startGate(): Promise<Gate> {
  const target = new URL(inject("neonEndpoint"));
  const server = createServer((incoming, answer) => {
    gate.trips++;
    const pass = () => {
      const { method, url, headers } = incoming;
      const onwards = forward(new URL(url ?? "/", target), { method, headers });
      onwards.on("response", (response: IncomingMessage) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      onwards.on("error", () => answer.destroy());
      answer.on("close", () => onwards.destroy());
      incoming.pipe(onwards);
    };
    if (gate.delayMs > 0) setTimeout(pass, gate.delayMs);
    else pass();
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const gate: Gate = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    trips: 0,
    delayMs: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return gate;
}
