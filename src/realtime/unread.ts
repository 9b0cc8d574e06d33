import { z } from "zod";
import { randomToken } from "../lib/ids.ts";

/**
 * The runtime tells nobody what of a socket's frames is still in memory (no `bufferedAmount`, no protocol ping), and closing a socket
 * frees nothing while its peer does not read. So what was sent counts as held until the client sends back an `ack`, which it can
 * know only by having read the frame that carried it; and what a socket may hold is bounded before it is sent.
 */
const MIB = 1024 * 1024;
const SOCKET_BYTES = 8 * MIB;
const USER_BYTES = 32 * MIB;
const FEED_BYTES = 64 * MIB;
/** What a socket may hold in any case. */
const LEAST_BYTES = 64 * 1024;
/** A socket that holds more is asked for a sign with the next frame. */
const ASK_BYTES = 16 * 1024;

/** What a socket remembers while the object sleeps. */
export const holdingShape = z.object({
  userId: z.string(),
  expiresAtMs: z.number(),
  /** Bytes that were sent and not acknowledged. */
  unread: z.number().default(0),
  /** The sign that is waited for, and how many of these bytes it acknowledges. */
  asked: z.object({ ack: z.string(), bytes: z.number() }).optional(),
});
export type SocketHolding = z.output<typeof holdingShape>;

export interface HeldSocket {
  userId: string;
  unread: number;
  /** Closing sockets hold what they hold until their peer has gone. */
  isOpen: boolean;
}

/**
 * How much each open socket of a user may hold: equal parts of what the closing ones leave of the user's and of the feed's memory.
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

/** A frame for a socket, which may ask for a sign, and what the socket holds once it was sent. */
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

/** What a socket holds after it has sent a sign; one that it was not asked for changes nothing. */
export function acknowledgeFrame(of: SocketHolding, ack: string): SocketHolding {
  if (of.asked?.ack !== ack) return of;
  const { asked, ...rest } = of;
  return { ...rest, unread: of.unread - asked.bytes };
}
