import { DurableObject } from "cloudflare:workers";
import { readConfig } from "./config.ts";
import { createContext } from "./context.ts";
import { realtimeMetrics } from "./features/metrics/realtime.ts";
import { createLog } from "./lib/log.ts";
import {
  acknowledged,
  CLOSE_CODES,
  FEED_SUBPROTOCOL,
  type FeedFrame,
  type FeedPublication,
} from "./realtime/protocol.ts";
import {
  acknowledgeFrame,
  chargeFrame,
  holdingShape,
  type SocketHolding,
  unreadAllowances,
} from "./realtime/unread.ts";
import {
  FEED_REFUSALS,
  type FeedVisitor,
  VISITOR_HEADER,
  visitorShape,
  WORKSPACE_HEADER,
} from "./realtime/visitor.ts";
import { endedConnections } from "./store/revocations.ts";

/** The interval at which the tokens and keys of open sockets are looked up. */
const CHECK_MS = 30_000;
const CHECKED = "checked";
/** The delay of the numbers after a change, and the least time between them. */
const METRICS_DELAY_MS = 1_000;
const TICKET = "ticket:";
const METRICS_DUE = "metrics-due";

interface Connected {
  socket: WebSocket;
  held: SocketHolding;
  userId: string;
  unread: number;
  isOpen: boolean;
}

const isOpen = ({ readyState }: WebSocket) => readyState === WebSocket.OPEN;
const close = (
  socket: WebSocket,
  { code, reason }: (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES],
) => socket.close(code, reason);

/**
 * The live feed of one workspace. Sockets hibernate: state is in storage or in their attachments.
 */
export class Feed extends DurableObject<Env> {
  private metricsAt = 0;

  constructor(state: DurableObjectState, env: Env) {
    super(state, env);
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  /** Accepts a visitor, or answers with one of FEED_REFUSALS and stores nothing. */
  override async fetch(request: Request): Promise<Response> {
    const workspaceId = decodeURIComponent(request.headers.get(WORKSPACE_HEADER) ?? "");
    const { ticket, ...from } = visitorShape.parse(
      JSON.parse(decodeURIComponent(request.headers.get(VISITOR_HEADER) ?? "")),
    );
    const refusal = this.refusalOf(from.userId);
    // The first connection was looked up as it came.
    if (!this.ctx.getWebSockets().some(isOpen)) this.ctx.storage.kv.put(CHECKED, Date.now());
    if (refusal) return new Response(null, { status: refusal });
    if (ticket && !this.redeem(ticket))
      return new Response(null, { status: FEED_REFUSALS.ticketUsed });
    this.ctx.storage.kv.put("workspace", workspaceId);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const seq = this.lastSeq();
    const expires_at = new Date(from.expiresAtMs).toISOString();
    const hello = JSON.stringify(this.frame("hello", seq, { seq, expires_at }));
    this.send({ socket: server, held: { ...from, unread: 0 } }, hello, hello.length);
    await this.schedule(Math.max(Date.now(), this.metricsAt + METRICS_DELAY_MS));
    const headers = request.headers.has("sec-websocket-protocol")
      ? { "sec-websocket-protocol": FEED_SUBPROTOCOL }
      : undefined;
    return new Response(null, { status: 101, webSocket: client, ...(headers ? { headers } : {}) });
  }

  /**
   * Sends the changes to every socket, and soon after the numbers, once for a burst. Without a
   * socket nothing is sent or stored.
   */
  async publish(workspaceId: string, publications: FeedPublication[]): Promise<void> {
    const { kv } = this.ctx.storage;
    if (!this.ctx.getWebSockets().some(isOpen)) return;
    kv.put("workspace", workspaceId);
    for (const { type, ...data } of publications) this.broadcast(type, data);
    if (kv.get(METRICS_DUE) === undefined || (await this.ctx.storage.getAlarm()) === null)
      await this.schedule(Date.now() + METRICS_DELAY_MS);
  }

  /** Closes expired and revoked sockets, and sends the numbers when they are due. */
  override async alarm(): Promise<void> {
    const { kv } = this.ctx.storage;
    const now = Date.now();
    const open = this.connected().filter((each) => each.isOpen);
    const living = open.filter(({ held }) => held.expiresAtMs > now);
    for (const { socket, held } of open)
      if (held.expiresAtMs <= now) close(socket, CLOSE_CODES.expired);
    if ((kv.get<number>(CHECKED) ?? 0) + CHECK_MS <= now) await this.closeRevoked(living);
    const due = kv.get<number>(METRICS_DUE);
    if (due !== undefined && (due <= now || living.length === 0)) kv.delete(METRICS_DUE);
    if (due !== undefined && due <= now && living.length > 0) await this.sendMetrics();
    await this.schedule();
  }

  /** Reads acknowledgements; the runtime itself answers `ping`. */
  override webSocketMessage(socket: WebSocket, text: string | ArrayBuffer): void {
    const ack = acknowledged(text);
    if (ack === undefined) return;
    const held = holdingShape.parse(socket.deserializeAttachment());
    socket.serializeAttachment(acknowledgeFrame(held, ack));
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    // 1005 and 1006 stand for a missing code; they cannot be sent.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  /** All sockets of this feed; a closing one stays until its peer has gone. */
  private connected(): Connected[] {
    return this.ctx.getWebSockets().map((socket) => {
      const held = holdingShape.parse(socket.deserializeAttachment());
      return { socket, held, userId: held.userId, unread: held.unread, isOpen: isOpen(socket) };
    });
  }

  private refusalOf(userId: string): number | undefined {
    const config = readConfig(this.env);
    const all = this.connected();
    const own = all.filter((each) => each.userId === userId).length;
    if (own >= config.REALTIME_SOCKETS_PER_USER) return FEED_REFUSALS.userFull;
    if (all.length >= config.REALTIME_SOCKETS_PER_WORKSPACE) return FEED_REFUSALS.workspaceFull;
    return undefined;
  }

  /** Whether a ticket is used for the first time. Used tickets are stored until they expire. */
  private redeem({ id, endsMs }: NonNullable<FeedVisitor["ticket"]>): boolean {
    const { kv } = this.ctx.storage;
    for (const [key, until] of kv.list({ prefix: TICKET }))
      if (!(Number(until) > Date.now())) kv.delete(key);
    if (kv.get(`${TICKET}${id}`) !== undefined) return false;
    kv.put(`${TICKET}${id}`, endsMs);
    return true;
  }

  /** Closes the sockets whose token is revoked or whose key has ended. */
  private async closeRevoked(living: readonly Connected[]): Promise<void> {
    const { workspaceId, ctx } = this.context();
    this.ctx.storage.kv.put(CHECKED, Date.now());
    const known = living.flatMap(({ socket, held: { userId, credential } }) =>
      credential ? [{ socket, userId, credential }] : [],
    );
    if (known.length === 0) return;
    try {
      const ended = await endedConnections(ctx.db, workspaceId, known);
      for (const place of ended) {
        const socket = known[place]?.socket;
        if (socket && isOpen(socket)) close(socket, CLOSE_CODES.revoked);
      }
    } catch (error) {
      // They are looked up again after CHECK_MS.
      ctx.log.error("feed.revocations", error);
    }
  }

  private context() {
    const workspaceId = this.ctx.storage.kv.get<string>("workspace") ?? "";
    const log = createLog({ feed: workspaceId });
    const ctx = createContext(this.env, this.ctx, { kind: "system", task: "feed" }, log);
    return { workspaceId, ctx };
  }

  private async sendMetrics(): Promise<void> {
    const { workspaceId, ctx } = this.context();
    this.metricsAt = Date.now();
    try {
      this.broadcast("metrics", await realtimeMetrics(ctx.db, workspaceId, ctx.now()));
    } catch (error) {
      // The next publication sets the alarm again; retries would only load a database that is down.
      ctx.log.error("feed.metrics", error);
    }
  }

  /**
   * Sets the alarm for the numbers, for the first token that ends and for the next look-up.
   * @param metricsAt when the numbers are due, at the latest
   */
  private async schedule(metricsAt = Number.POSITIVE_INFINITY): Promise<void> {
    const { kv } = this.ctx.storage;
    const known = kv.get<number>(METRICS_DUE) ?? Number.POSITIVE_INFINITY;
    if (metricsAt < known) kv.put(METRICS_DUE, metricsAt);
    const living = this.connected().filter((each) => each.isOpen);
    const checkAt =
      living.length > 0 ? (kv.get<number>(CHECKED) ?? 0) + CHECK_MS : Number.POSITIVE_INFINITY;
    const ends = living.map(({ held }) => held.expiresAtMs);
    const next = Math.min(metricsAt, known, checkAt, ...ends);
    if (Number.isFinite(next)) await this.ctx.storage.setAlarm(next);
    else await this.ctx.storage.deleteAlarm();
  }

  private lastSeq(): number {
    return this.ctx.storage.kv.get<number>("seq") ?? 0;
  }

  private frame(type: FeedFrame["type"], seq: number, data: unknown): FeedFrame {
    return {
      seq,
      type,
      workspace_id: this.ctx.storage.kv.get<string>("workspace") ?? "",
      at: new Date().toISOString(),
      data,
    };
  }

  private send({ socket, held }: Pick<Connected, "socket" | "held">, text: string, bytes: number) {
    const charged = chargeFrame(held, text, bytes);
    socket.serializeAttachment(charged.held);
    socket.send(charged.text);
  }

  private broadcast(type: FeedFrame["type"], data: unknown): void {
    const seq = this.lastSeq() + 1;
    this.ctx.storage.kv.put("seq", seq);
    const text = JSON.stringify(this.frame(type, seq, data));
    const bytes = new TextEncoder().encode(text).length;
    const all = this.connected();
    const allowed = unreadAllowances(all);
    for (const each of all) {
      if (!each.isOpen) continue;
      if (each.held.expiresAtMs <= Date.now()) close(each.socket, CLOSE_CODES.expired);
      else if (each.unread + bytes > allowed(each.userId)) close(each.socket, CLOSE_CODES.unread);
      else this.send(each, text, bytes);
    }
  }
}
