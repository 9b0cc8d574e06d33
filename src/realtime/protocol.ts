import { z } from "zod";

/** One execution as a frame shows it. */
export const frameExecution = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string().nullable(),
  status: z.string(),
  change: z.enum(["created", "updated"]),
});

/** What the Worker tells the feed of a workspace. */
export type FeedPublication =
  | {
      type: "executions";
      created: number;
      updated: number;
      executions: z.output<typeof frameExecution>[];
    }
  | { type: "events"; created: number };

/** Every frame: `seq` grows by one from frame to frame of a workspace, so that a client sees what it missed. */
export interface FeedFrame {
  seq: number;
  type: "hello" | "executions" | "events" | "metrics";
  workspace_id: string;
  at: string;
  data: unknown;
}

/** What a client may send beside `ping`: the text of the `ack` that a frame carried, as a sign that it has read so far. */
export const clientMessage = z.object({ type: z.literal("ack"), ack: z.string() });
/** The longest message of a client that is looked at. */
export const MAX_CLIENT_MESSAGE = 256;

/** Why the feed closes a connection; any other end is the network's, or a restart of the feed. */
export const CLOSE_CODES = {
  /** The token has ended. */
  expired: { code: 4002, reason: "token expired" },
  /** Too much was sent that the client has not said to have read. */
  unread: { code: 4008, reason: "too much unread: acknowledge frames, or connect again" },
} as const;

export const FEED_SUBPROTOCOL = "shadower.v1";
/** A token travels as a second subprotocol with this prefix: browsers can set no header on a WebSocket. */
export const BEARER_PREFIX = "bearer.";
export const FRAME_EXECUTIONS = 100;
export const TICKET_SECONDS = 60;
