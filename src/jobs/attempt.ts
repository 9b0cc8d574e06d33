import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../context.ts";
import { type Snapshot, withSnapshot } from "../db/snapshot.ts";
import { type JobOutcome, settleJob } from "./endings.ts";
import { type ClaimedJob, ClaimLost, isGone, type JobQueue } from "./lease.ts";

interface JobAttempt {
  /** @param asOf the moment of the snapshot */
  work(db: Snapshot, asOf: string): Promise<void>;
  /** Removes all that the attempts of the job have stored. */
  removeFiles(): Promise<void>;
  /** Columns of the job to change before the next attempt. */
  changesAfter?(error: unknown): SQL | undefined;
}

async function workInSnapshot(
  ctx: Context,
  queue: JobQueue,
  claimed: ClaimedJob,
  { work, changesAfter }: JobAttempt,
): Promise<JobOutcome> {
  const { DATABASE_URL, NEON_ENDPOINT } = ctx.config;
  try {
    await withSnapshot(DATABASE_URL, NEON_ENDPOINT, async (db) => {
      const row = z.object({ at: z.string() });
      const { at } = await db.one({ sql: sql`select now() as at`, row });
      await work(db, at);
    });
    return { status: "done" };
  } catch (error) {
    return settleJob(queue, claimed, error, changesAfter?.(error));
  }
}

/** Works on a claimed job in one snapshot of the database, and settles the job if that fails. */
export async function attemptJob(
  ctx: Context,
  queue: JobQueue,
  claimed: ClaimedJob,
  attempt: JobAttempt,
): Promise<JobOutcome> {
  try {
    return await workInSnapshot(ctx, queue, claimed, attempt);
  } catch (error) {
    if (!(error instanceof ClaimLost)) throw error;
    // Another attempt needs the files; after a cancellation or a deletion nobody does.
    if (await isGone(queue, claimed)) await attempt.removeFiles();
    return { status: "lost" };
  }
}
