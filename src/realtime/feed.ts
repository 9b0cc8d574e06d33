import { DurableObject } from "cloudflare:workers";
import { z } from "zod";
import { createContext } from "../context.ts";
import { realtimeMetrics } from "../features/metrics/realtime.ts";
import { randomToken } from "../lib/ids.ts";
import { createLog } from "../lib/log.ts";
import { type Frame, type Publication, SUBPROTOCOL, TICKET_SECONDS } from "./protocol.ts";

/** What a socket remembers while the object sleeps. */
const attachment = z.object({ userId: z.string(), expiresAtMs: z.number() });
export type Visitor = z.output<typeof attachment>;

const METRICS_DELAY_MS = 1_000;
const EXPIRED = 4002;
const VISITOR_HEADER = "x-feed-visitor";
const WORKSPACE_HEADER = "x-feed-workspace";

/** The request that the Worker, having authenticated it, hands to the feed. */
export function feedRequest(request: Request, workspaceId: string, visitor: Visitor): Request {
  const headers = new Headers({
    upgrade: "websocket",
    [WORKSPACE_HEADER]: encodeURIComponent(workspaceId),
    [VISITOR_HEADER]: encodeURIComponent(JSON.stringify(visitor)),
  });
  // Only what a client offered may be chosen: it closes the connection otherwise.
  const offered = (request.headers.get("sec-websocket-protocol") ?? "")
    .split(",")
    .map((name) => name.trim());
  if (offered.includes(SUBPROTOCOL)) headers.set("sec-websocket-protocol", SUBPROTOCOL);
  return new Request("https://feed/", { headers });
}

/** The live feed of one workspace. Sockets hibernate; all that must outlive a nap is in storage or in their attachments. */
export class Feed extends DurableObject<Env> {
  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  override async fetch(request: Request): Promise<Response> {
    const workspaceId = decodeURIComponent(request.headers.get(WORKSPACE_HEADER) ?? "");
    const visitor = attachment.parse(
      JSON.parse(decodeURIComponent(request.headers.get(VISITOR_HEADER) ?? "")),
    );
    this.ctx.storage.kv.put("workspace", workspaceId);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(visitor);
    server.send(
      JSON.stringify(
        this.frame("hello", this.lastSeq(), {
          seq: this.lastSeq(),
          expires_at: new Date(visitor.expiresAtMs).toISOString(),
        }),
      ),
    );
    await this.ctx.storage.setAlarm(Date.now());
    const headers = request.headers.has("sec-websocket-protocol")
      ? { "sec-websocket-protocol": SUBPROTOCOL }
      : undefined;
    return new Response(null, { status: 101, webSocket: client, ...(headers ? { headers } : {}) });
  }

  /** Sends what happened to every socket, and the numbers soon after, once for a burst. Without a socket nothing is sent or kept. */
  async publish(workspaceId: string, publications: Publication[]): Promise<void> {
    if (this.ctx.getWebSockets().length === 0) return;
    this.ctx.storage.kv.put("workspace", workspaceId);
    for (const { type, ...data } of publications) this.broadcast(type, data);
    if ((await this.ctx.storage.getAlarm()) === null)
      await this.ctx.storage.setAlarm(Date.now() + METRICS_DELAY_MS);
  }

  /** A ticket for one connection within a minute; only its hash is kept. */
  async issueTicket(visitor: Visitor): Promise<{ secret: string; expiresAtMs: number }> {
    const { kv } = this.ctx.storage;
    for (const [key, value] of kv.list<Visitor & { until: number }>({ prefix: "ticket:" }))
      if (value.until < Date.now()) kv.delete(key);
    const secret = randomToken();
    const until = Date.now() + TICKET_SECONDS * 1000;
    kv.put(`ticket:${await sha256(secret)}`, { ...visitor, until });
    return { secret, expiresAtMs: until };
  }

  /** Whom a ticket was given to; it is gone then. Null for one that is used, expired or unknown. */
  async redeemTicket(secret: string): Promise<Visitor | null> {
    const key = `ticket:${await sha256(secret)}`;
    const { kv } = this.ctx.storage;
    const found = kv.get<Visitor & { until: number }>(key);
    kv.delete(key);
    if (!found || found.until < Date.now()) return null;
    return attachment.parse({ userId: found.userId, expiresAtMs: found.expiresAtMs });
  }

  override async alarm(): Promise<void> {
    const workspaceId = this.ctx.storage.kv.get<string>("workspace");
    if (!workspaceId || this.ctx.getWebSockets().length === 0) return;
    const log = createLog({ feed: workspaceId });
    try {
      const ctx = createContext(this.env, this.ctx, { kind: "system", task: "feed" }, log);
      this.broadcast("metrics", await realtimeMetrics(ctx.db, workspaceId, ctx.now()));
    } catch (error) {
      // The next publication sets the alarm again; a retry loop would only press on a database that is down.
      log.error("feed.metrics", error);
    }
  }

  /** Clients have nothing to say but ping, which is answered without waking. */
  override webSocketMessage(): void {}

  override webSocketClose(socket: WebSocket, code: number): void {
    // 1005 and 1006 report that no code came; they cannot be sent.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  private lastSeq(): number {
    return this.ctx.storage.kv.get<number>("seq") ?? 0;
  }

  private frame(type: Frame["type"], seq: number, data: unknown): Frame {
    return {
      seq,
      type,
      workspace_id: this.ctx.storage.kv.get<string>("workspace") ?? "",
      at: new Date().toISOString(),
      data,
    };
  }

  private broadcast(type: Frame["type"], data: unknown): void {
    const seq = this.lastSeq() + 1;
    this.ctx.storage.kv.put("seq", seq);
    const text = JSON.stringify(this.frame(type, seq, data));
    for (const socket of this.ctx.getWebSockets()) {
      const visitor = attachment.safeParse(socket.deserializeAttachment());
      if (!visitor.success || visitor.data.expiresAtMs <= Date.now())
        socket.close(EXPIRED, "token expired");
      else socket.send(text);
    }
  }
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
