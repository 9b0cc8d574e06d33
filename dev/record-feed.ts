import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import type { AnswerRecorder } from "./record-answers.ts";

const OPERATION = "GET /api/v1/realtime";
const FRAME_MS = 10_000;

/** Frames of a connection, one after the other. */
function framesOf(socket: WebSocket): () => Promise<string> {
  const waiting: string[] = [];
  socket.on("message", (data) => {
    waiting.push(String(data));
    socket.emit("kept");
  });
  return async () => {
    if (waiting.length === 0) await once(socket, "kept", { signal: AbortSignal.timeout(FRAME_MS) });
    return waiting.shift() ?? "";
  };
}

async function ticketOf(recorder: AnswerRecorder): Promise<string> {
  const { json } = await recorder.ask({ method: "POST", path: "realtime/tickets" });
  const { ticket = "none" } = (json?.data ?? {}) as { ticket?: string };
  return ticket;
}

function open(recorder: AnswerRecorder, query: string, protocols: string[] = []): WebSocket {
  const url = `${recorder.instance.url.replace("http", "ws")}/api/v1/realtime${query}`;
  return new WebSocket(url, protocols, {
    headers: { "x-recorded-at": String(recorder.atMs), "x-request-id": "recorded" },
  });
}

async function keepRefused(recorder: AnswerRecorder, words: string, socket: WebSocket) {
  const [, answer] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  recorder.keep(words, OPERATION, answer.statusCode ?? 0, Buffer.concat(chunks).toString());
  // Ending what was never open is told as an error.
  socket.on("error", () => undefined).terminate();
}

/** A connection by a ticket, what it hears of intake, and connections that are refused. */
export async function askFeed(recorder: AnswerRecorder): Promise<void> {
  await recorder.ask({ path: "realtime" });
  await recorder.ask({ method: "POST", path: "realtime/tickets?workspace_id=elsewhere" });
  await recorder.ask({ method: "POST", path: "realtime/tickets", as: "nobody" });
  const ticket = await ticketOf(recorder);
  const socket = open(recorder, `?ticket=${ticket}`);
  const next = framesOf(socket);
  recorder.keep("hello", OPERATION, 101, await next());
  socket.send("ping");
  recorder.keep("ping", OPERATION, 101, await next());
  const at = new Date(recorder.atMs).toISOString();
  const execution = { id: "told", agent_id: "writer", status: "running", started_at: at };
  await recorder.ask({ method: "POST", path: "executions", body: execution });
  recorder.keep("an execution", OPERATION, 101, await next());
  const event = { id: "told", event_type: "signup", user_id: "ada", occurred_at: at };
  await recorder.ask({ method: "POST", path: "events", body: event });
  recorder.keep("an event", OPERATION, 101, await next());
  await keepRefused(recorder, "the ticket again", open(recorder, `?ticket=${ticket}`));
  await keepRefused(recorder, "no ticket", open(recorder, ""));
  await keepRefused(recorder, "a wrong ticket", open(recorder, "?ticket=none"));
  await keepRefused(recorder, "a wrong token", open(recorder, "", ["shadower.v1", "bearer.x"]));
  socket.close(1000);
  await once(socket, "close");
}
