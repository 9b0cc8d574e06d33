import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { countUse } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { JobOutcome } from "../../../jobs/endings.ts";
import { isJob, type JobId, MAX_ATTEMPTS, MAX_WAIT_SECONDS } from "../../../jobs/lease.ts";
import { takeTurn } from "../../../jobs/turns.ts";
import { backoff } from "../../../lib/backoff.ts";
import { cutText } from "../../../lib/text.ts";
import { type StoredRecipient, storedRecipient } from "../definition/recipient-schema.ts";
import { maskedRecipient } from "../definition/recipients.ts";
import { deliveryShape } from "./schema.ts";

const COLUMNS = sql.raw(`
  e.id,
  e.run_id,
  e.recipient,
  e.status,
  e.attempts,
  e.answer,
  e.created_at,
  e.attempted_at,
  e.delivered_at`);
const deliveryRow = deliveryShape.extend({ recipient: storedRecipient });
export type ReportDelivery = z.output<typeof deliveryRow> & { workspaceId: string };

const MAX_ANSWER_CHARS = 500;
const WAIT_SECONDS = 5;
const OVER_QUOTA = "The workspace has reached its deliveries of the day.";

/** An attempt at work. An older one, or one of a future time, has lost its worker or its clock. */
const isSending = sql`(
  e.status = 'sending'
  and e.attempted_at between now() - interval '2 minutes' and now() + interval '1 minute'
)`;
/** No attempt is at work or put off. A time beyond the longest wait counts as past. */
const mayBegin = sql`(
  e.status in ('waiting', 'sending')
  and not ${isSending}
  and (
    e.not_before is null
    or e.not_before <= now()
    or e.not_before > now() + ${2 * MAX_WAIT_SECONDS}::int * interval '1 second'
  )
)`;
const beginAttempt = sql`
  attempts = e.attempts + 1,
  attempted_at = now(),
  status = 'sending'`;

/** @returns whether the quota of the day allows the delivery; otherwise it is stored as failed */
async function insertDelivery(
  ctx: Context,
  { workspaceId, id }: JobId,
  runId: string,
  recipient: StoredRecipient,
): Promise<boolean> {
  const owner = { quotas: ctx.config.QUOTAS, workspaceId };
  const isAllowed = await countUse(ctx.db, owner, "deliveries_per_day");
  await ctx.db.run(sql`
    insert into report_deliveries (workspace_id, id, run_id, recipient, status, answer, created_at)
    values (
      ${workspaceId},
      ${id},
      ${runId},
      ${JSON.stringify(recipient)}::jsonb,
      ${isAllowed ? "waiting" : "failed"},
      ${isAllowed ? null : OVER_QUOTA},
      now()
    )
    on conflict (workspace_id, id) do nothing`);
  return isAllowed;
}

/**
 * Plans the deliveries of a run before it is done. A repeated call plans nothing new. Deliveries
 * beyond the quota of the day are stored as failed.
 * @returns the ids of those that wait
 */
export async function planDeliveries(
  ctx: Context,
  workspaceId: string,
  runId: string,
  recipients: readonly StoredRecipient[],
): Promise<string[]> {
  const stored = await deliveriesOf(ctx, workspaceId, runId);
  const statuses = new Map(stored.map(({ id, status }) => [id, status]));
  const waiting: string[] = [];
  for (const [place, recipient] of recipients.entries()) {
    const id = `${runId}-${place}`;
    const status = statuses.get(id);
    const isWaiting =
      status === undefined
        ? await insertDelivery(ctx, { workspaceId, id }, runId, recipient)
        : status === "waiting";
    if (isWaiting) waiting.push(id);
  }
  return waiting;
}

function deliveriesOf(ctx: Context, workspaceId: string, runId: string) {
  return ctx.db.all({
    sql: sql`
      select ${COLUMNS}
      from report_deliveries e
      where ${inWorkspace(workspaceId, "e")}
        and e.run_id = ${runId}
      order by length(e.id), e.id`,
    row: deliveryRow,
  });
}

/** The deliveries of a run in the order of its recipients, without secrets. */
export async function listDeliveries(ctx: Context, workspaceId: string, runId: string) {
  const found = await deliveriesOf(ctx, workspaceId, runId);
  return found.map((delivery) => ({
    ...delivery,
    recipient: maskedRecipient(delivery.recipient),
  }));
}

/**
 * Begins an attempt of a delivery.
 * @returns undefined if the delivery has ended, is put off, or another attempt is at work
 */
export async function claimDelivery(ctx: Context, job: JobId): Promise<ReportDelivery | undefined> {
  const found = await ctx.db.maybe({
    sql: sql`
      update report_deliveries e
      set ${beginAttempt}
      where ${isJob(job)}
        and ${mayBegin}
      returning ${COLUMNS}`,
    row: deliveryRow,
  });
  return found && { ...found, workspaceId: job.workspaceId };
}

/** Begins an attempt of the delivery whose workspace has its turn. */
export async function takeDelivery(ctx: Context): Promise<ReportDelivery | undefined> {
  const taken = await takeTurn(ctx.db, "deliveries", {
    work: sql`
      select
        'delivery' as kind,
        e.workspace_id,
        e.id,
        ${mayBegin} as open,
        ${isSending} as busy,
        coalesce(e.not_before, e.created_at) as since
      from report_deliveries e
      where e.status in ('waiting', 'sending')`,
    most: ctx.config.QUOTAS.deliveries_at_work,
    take: sql`
      took as (
        update report_deliveries e
        set ${beginAttempt}
        from pick p
        where e.workspace_id = p.workspace_id
          and e.id = p.id
        returning e.*
      )
      select e.workspace_id, ${COLUMNS}
      from took e`,
    row: deliveryRow.extend({ workspace_id: z.string() }),
  });
  if (!taken) return undefined;
  const { workspace_id: workspaceId, ...delivery } = taken;
  return { ...delivery, workspaceId };
}

/**
 * Lists deliveries whose attempt should have begun: their message or their worker was lost. The
 * oldest of each workspace come first.
 */
export function overdueDeliveries(ctx: Context, limit: number) {
  return ctx.db.all({
    sql: sql`
      select e.workspace_id, e.id
      from (
        select
          e.*,
          row_number() over (partition by e.workspace_id order by e.created_at, e.id) as place
        from report_deliveries e
        where ${mayBegin}
          and coalesce(e.not_before, e.attempted_at, e.created_at) < now() - interval '1 minute'
      ) e
      order by e.place, e.created_at
      limit ${limit}::int`,
    row: z.object({ workspace_id: z.string(), id: z.string() }),
  });
}

/** Changes a delivery, unless a later attempt has begun. */
async function changeDelivery(ctx: Context, delivery: ReportDelivery, changes: SQL): Promise<void> {
  await ctx.db.run(sql`
    update report_deliveries e
    set ${changes}
    where ${isJob(delivery)}
      and e.status = 'sending'
      and e.attempts = ${delivery.attempts}`);
}

/** Saves the result of an attempt, unless a later one has begun. */
export function noteDelivery(
  ctx: Context,
  delivery: ReportDelivery,
  status: "delivered" | "failed",
  answer: string,
): Promise<void> {
  const changes = sql`
    status = ${status},
    answer = ${cutText(answer, MAX_ANSWER_CHARS)},
    not_before = null,
    delivered_at = case when ${status} = 'delivered' then now() end`;
  return changeDelivery(ctx, delivery, changes);
}

/** Puts the next attempt off, or fails the delivery after the last one. */
export async function retryDelivery(
  ctx: Context,
  delivery: ReportDelivery,
  error: Error,
): Promise<JobOutcome> {
  if (delivery.attempts >= MAX_ATTEMPTS) {
    await noteDelivery(ctx, delivery, "failed", error.message);
    return { status: "failed", error, isKnown: false };
  }
  const wait = backoff(delivery.attempts, WAIT_SECONDS, MAX_WAIT_SECONDS);
  const afterSeconds = Math.ceil(WAIT_SECONDS + wait);
  const changes = sql`
    status = 'waiting',
    answer = ${cutText(error.message, MAX_ANSWER_CHARS)},
    not_before = now() + ${afterSeconds}::int * interval '1 second'`;
  await changeDelivery(ctx, delivery, changes);
  return { status: "again", afterSeconds, error };
}

/** Lets a failed delivery begin again, with all of its attempts. */
export async function reopenDelivery(ctx: Context, job: JobId): Promise<void> {
  await ctx.db.run(sql`
    update report_deliveries e
    set status = 'waiting', attempts = 0, not_before = null
    where ${isJob(job)}
      and e.status = 'failed'`);
}
