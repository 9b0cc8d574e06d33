import { expect, it } from "vitest";
import {
  acknowledgeFrame,
  chargeFrame,
  type HeldSocket,
  type SocketHolding,
  unreadAllowances,
} from "../../src/realtime/unread.ts";

const MIB = 1024 * 1024;
const NEW: SocketHolding = { userId: "u", expiresAtMs: 0, unread: 0 };
const open = (userId: string, unread = 0): HeldSocket => ({ userId, unread, isOpen: true });
const closing = (userId: string, unread: number): HeldSocket => ({ userId, unread, isOpen: false });
const many = (count: number, of: HeldSocket) => Array.from({ length: count }, () => of);

it.each([
  { what: "a connection alone", all: [open("u")], bytes: 8 * MIB },
  { what: "one of forty of a user", all: many(40, open("u")), bytes: (32 * MIB) / 40 },
  {
    what: "one whose user left half of the memory to those that do not read",
    all: [open("u"), open("u"), open("u"), open("u"), closing("u", 16 * MIB)],
    bytes: 4 * MIB,
  },
  {
    what: "one whose user's memory is full",
    all: [open("u"), closing("u", 33 * MIB)],
    bytes: 65_536,
  },
  {
    what: "one beside another user's forty",
    all: [open("u"), ...many(40, open("v"))],
    bytes: (64 * MIB) / 41,
  },
  {
    what: "one in a feed whose memory is full",
    all: [open("u"), closing("v", 40 * MIB), closing("w", 40 * MIB)],
    bytes: 65_536,
  },
])("$what may hold $bytes bytes", ({ all, bytes }) => {
  expect(unreadAllowances(all)("u")).toBe(bytes);
});

it("a socket is asked for a sign with the frame that makes it hold much, once", () => {
  const small = chargeFrame(NEW, '{"seq":1}', 10);
  expect([small.text, small.held.unread]).toEqual(['{"seq":1}', 10]);
  const much = chargeFrame(small.held, '{"seq":2}', 20_000);
  const { ack } = JSON.parse(much.text);
  expect(JSON.parse(much.text)).toEqual({ seq: 2, ack: expect.stringMatching(/^[\w-]{12}$/) });
  const more = chargeFrame(much.held, '{"seq":3}', 30_000);
  expect([more.text, more.held.unread]).toEqual(['{"seq":3}', 50_010]);
  expect(acknowledgeFrame(more.held, "guessed").unread).toBe(50_010);
  const read = acknowledgeFrame(more.held, ack);
  expect(read.unread).toBe(30_000);
  expect(acknowledgeFrame(read, ack).unread).toBe(30_000);
  expect(JSON.parse(chargeFrame(read, '{"seq":4}', 1).text).ack).not.toBe(ack);
});
