import { exports } from "cloudflare:workers";
import { expect, vi } from "vitest";
import { tokenFor } from "./client.ts";

export interface Frame {
  seq: number;
  type: string;
  at: string;
  ack?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads frames field by field
  data: any;
}

export const upgrade = (path: string, headers: Record<string, string> = {}) =>
  exports.default.fetch(
    new Request(`https://shadower.test/api/v1/realtime${path}`, {
      headers: { upgrade: "websocket", ...headers },
    }),
  );

/** A connection to the feed of a workspace: by a token of its admin, unless headers say otherwise. */
export async function connect(workspace: string, path = "", headers?: Record<string, string>) {
  const given = headers ?? {
    "sec-websocket-protocol": `shadower.v1, bearer.${await tokenFor(workspace)}`,
  };
  const response = await upgrade(path, given);
  expect(response.status).toBe(101);
  const socket = response.webSocket;
  if (!socket) throw new Error("no socket");
  const frames: Frame[] = [];
  const closed: number[] = [];
  socket.addEventListener("message", (event) => {
    frames.push(JSON.parse(String(event.data)) as Frame);
  });
  socket.addEventListener("close", (event) => {
    closed.push(event.code);
  });
  socket.accept();
  await vi.waitUntil(() => frames.length > 0);
  return { response, socket, frames, closed };
}
