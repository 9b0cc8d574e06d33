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
export type Publication =
  | {
      type: "executions";
      created: number;
      updated: number;
      executions: z.output<typeof frameExecution>[];
    }
  | { type: "events"; created: number };

/** Every frame: `seq` grows by one from frame to frame of a workspace, so that a client sees what it missed. */
export interface Frame {
  seq: number;
  type: "hello" | "executions" | "events" | "metrics";
  workspace_id: string;
  at: string;
  data: unknown;
}

export const SUBPROTOCOL = "shadower.v1";
/** A token travels as a second subprotocol with this prefix: browsers can set no header on a WebSocket. */
export const BEARER_PREFIX = "bearer.";
export const FRAME_EXECUTIONS = 100;
export const TICKET_SECONDS = 60;
