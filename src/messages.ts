import { z } from "zod";
import type { Context, QueueName } from "./context.ts";
import type { JobTable } from "./jobs/lease.ts";

/** `again`: an operator restarts a failed job. */
const job = { workspaceId: z.string(), id: z.string(), again: z.boolean().optional() };

/**
 * Every message of the queues. A message of a job or a delivery is a hint: the database decides
 * which one begins (jobs/turns.ts).
 */
export const queueMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("rollup.run"),
    unit: z.enum(["hour", "day", "session"]),
    upTo: z.number().int(),
  }),
  z.object({ type: z.literal("export.run"), ...job }),
  z.object({ type: z.literal("report.run"), ...job }),
  z.object({ type: z.literal("report.deliver"), ...job }),
]);
export type QueueMessage = z.output<typeof queueMessage>;

export const JOB_MESSAGES = {
  exports: "export.run",
  report_runs: "report.run",
} as const satisfies Record<JobTable, QueueMessage["type"]>;

/** Work of one kind never waits for work of another. */
const QUEUES: Record<QueueMessage["type"], QueueName> = {
  "rollup.run": "rollups",
  "export.run": "jobs",
  "report.run": "jobs",
  "report.deliver": "deliveries",
};

/** @param delaySeconds shortest delay before the message is delivered */
export async function enqueue(ctx: Context, body: QueueMessage, delaySeconds = 0): Promise<void> {
  await ctx.queues[QUEUES[body.type]].send(body, delaySeconds > 0 ? { delaySeconds } : undefined);
}
