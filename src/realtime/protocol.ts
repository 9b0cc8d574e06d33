import { z } from "zod";

/** One execution as a frame shows it. */
export const frameExecution = z.object({
  id: z.string(),
  agent_id: z.string(),
  user_id: z.string().nullable(),
  status: z.string(),
  change: z.enum(["created", "updated"]),
});

/** A change that the Worker reports to the feed of a workspace. */
export type FeedPublication =
  | {
      type: "executions";
      created: number;
      updated: number;
      executions: z.output<typeof frameExecution>[];
    }
  | { type: "events"; created: number };

/** A frame: `seq` grows by one from frame to frame of a workspace, so that gaps can be seen. */
export interface FeedFrame {
  seq: number;
  type: "hello" | "executions" | "events" | "metrics";
  workspace_id: string;
  at: string;
  data: unknown;
}

const clientMessage = z.object({ type: z.literal("ack"), ack: z.string() });
/** Longer messages of a client are ignored. */
const MAX_CLIENT_MESSAGE = 256;

/**
 * A client's message beside `ping`: the `ack` of a frame, to say that it has read that far.
 * Anything else is undefined.
 */
export function acknowledged(text: string | ArrayBuffer): string | undefined {
  if (typeof text !== "string" || text.length > MAX_CLIENT_MESSAGE) return undefined;
  try {
    return clientMessage.safeParse(JSON.parse(text)).data?.ack;
  } catch {
    return undefined;
  }
}

/** Why the feed closes a connection; any other code comes from the network or a restart. */
export const CLOSE_CODES = {
  /** The token has ended. */
  expired: { code: 4002, reason: "token expired" },
  /** The token is revoked, or the key has ended. */
  revoked: { code: 4003, reason: "revoked" },
  /** Too much was sent without an acknowledgement. */
  unread: { code: 4008, reason: "too much unread: acknowledge frames, or connect again" },
} as const;

export const FEED_SUBPROTOCOL = "shadower.v1";
/** The prefix of a token as a second subprotocol: browsers cannot set headers of a WebSocket. */
export const BEARER_PREFIX = "bearer.";
export const FRAME_EXECUTIONS = 100;
export const TICKET_SECONDS = 60;
