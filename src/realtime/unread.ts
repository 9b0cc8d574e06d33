import { z } from "zod";
import { randomToken } from "../lib/ids.ts";
import { credentialShape } from "./visitor.ts";

/**
 * The runtime does not report which frames of a socket are still in memory (no `bufferedAmount`),
 * and closing a socket frees nothing while its peer does not read. So sent bytes count as held
 * until the client returns the `ack` of a frame; and a socket's bytes are bounded before they are
 * sent.
 */
const MIB = 1024 * 1024;
const SOCKET_BYTES = 8 * MIB;
const USER_BYTES = 32 * MIB;
const FEED_BYTES = 64 * MIB;
/** The bytes that every socket may hold. */
const LEAST_BYTES = 64 * 1024;
/** A socket that holds more is asked for an acknowledgement with the next frame. */
const ASK_BYTES = 16 * 1024;

/** The attachment of a socket, which survives hibernation. */
export const holdingShape = z.object({
  userId: z.string(),
  expiresAtMs: z.number(),
  /** Connections of an earlier version have none: they count as issued now. */
  credential: credentialShape.optional(),
  /** Bytes sent and not acknowledged. */
  unread: z.number().default(0),
  /** The expected `ack`, and how many of these bytes it acknowledges. */
  asked: z.object({ ack: z.string(), bytes: z.number() }).optional(),
});
export type SocketHolding = z.output<typeof holdingShape>;

export interface HeldSocket {
  userId: string;
  unread: number;
  /** A closing socket keeps its bytes until its peer has gone. */
  isOpen: boolean;
}

/**
 * The bytes that each open socket of a user may hold: equal parts of the user's and of the feed's
 * memory, without the bytes of closing sockets.
 * @returns the bytes by user
 */
export function unreadAllowances(all: readonly HeldSocket[]): (userId: string) => number {
  const users = new Map<string, { open: number; closing: number }>();
  const total = { open: 0, closing: 0 };
  for (const { userId, unread, isOpen } of all) {
    const user = users.get(userId) ?? { open: 0, closing: 0 };
    users.set(userId, user);
    for (const of of [user, total]) {
      if (isOpen) of.open++;
      else of.closing += unread;
    }
  }
  const part = (bytes: number, { open, closing }: typeof total) => (bytes - closing) / open;
  return (userId) => {
    const user = users.get(userId) ?? total;
    const shared = Math.min(SOCKET_BYTES, part(USER_BYTES, user), part(FEED_BYTES, total));
    return Math.max(LEAST_BYTES, shared);
  };
}

/** The frame, which may ask for an acknowledgement, and the socket's state after it is sent. */
export function chargeFrame(
  of: SocketHolding,
  text: string,
  bytes: number,
): { text: string; held: SocketHolding } {
  const unread = of.unread + bytes;
  if (of.asked || unread < ASK_BYTES) return { text, held: { ...of, unread } };
  const ack = randomToken(9);
  // The last field of the frame, which is an object.
  const asking = `${text.slice(0, -1)},"ack":"${ack}"}`;
  return { text: asking, held: { ...of, unread, asked: { ack, bytes: unread } } };
}

/** The socket's state after an `ack`; an unexpected one changes nothing. */
export function acknowledgeFrame(of: SocketHolding, ack: string): SocketHolding {
  if (of.asked?.ack !== ack) return of;
  const { asked, ...rest } = of;
  return { ...rest, unread: of.unread - asked.bytes };
}
