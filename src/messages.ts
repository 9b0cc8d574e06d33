import { z } from "zod";
import type { Context } from "./context.ts";

/** `again`: also when it was given up. */
const job = { workspaceId: z.string(), id: z.string(), again: z.boolean().optional() };

/** Every message of the queue. */
export const message = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("rollup.run"),
    unit: z.enum(["hour", "day", "session"]),
    upTo: z.number().int(),
  }),
  z.object({ type: z.literal("export.run"), ...job }),
  z.object({ type: z.literal("report.run"), ...job }),
  z.object({ type: z.literal("report.deliver"), ...job }),
]);
export type Message = z.output<typeof message>;

export async function enqueue(ctx: Context, body: Message): Promise<void> {
  await ctx.queue.send(body);
}
