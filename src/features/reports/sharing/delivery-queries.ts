import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Context } from "../../../context.ts";
import { countUse } from "../../../db/quotas.ts";
import { inWorkspace } from "../../../db/scope.ts";
import type { JobOutcome } from "../../../jobs/endings.ts";
import { type JobId, MAX_ATTEMPTS } from "../../../jobs/lease.ts";
import { takeTurn } from "../../../jobs/turns.ts";
import { backoff } from "../../../lib/backoff.ts";
import { cutText } from "../../../lib/text.ts";
import { type StoredRecipient, storedRecipient } from "../definition/recipient-schema.ts";
import { maskedRecipient } from "../definition/recipients.ts";
import { deliveryShape } from "./schema.ts";

const COLUMNS = sql.raw(
  "e.id, e.run_id, e.recipient, e.status, e.attempts, e.answer, e.created_at, e.attempted_at, e.delivered_at",
);
const row = deliveryShape.extend({ recipient: storedRecipient });
export type ReportDelivery = z.output<typeof row> & { workspaceId: string };

const MAX_ANSWER = 500;
const WAIT_SECONDS = 5;
const MAX_WAIT_SECONDS = 900;
const OVER_QUOTA = "The workspace has sent as many as it may today.";

/** An attempt takes less; one that is older, or from the time to come, has lost its worker or its clock. */
const isSending = sql`(e.status = 'sending' and e.attempted_at between now() - interval '2 minutes' and now() + interval '1 minute')`;
/** No attempt is at work, and none is put off; a time further ahead than a wait can be was written under another clock. */
const isOpen = sql`(e.status in ('waiting', 'sending') and not ${isSending} and (e.not_before is null
  or e.not_before <= now() or e.not_before > now() + ${2 * MAX_WAIT_SECONDS}::int * interval '1 second'))`;
const begun = sql`attempts = e.attempts + 1, attempted_at = now(), status = 'sending'`;
const one = ({ workspaceId, id }: JobId) => sql`${inWorkspace(workspaceId, "e")} and e.id = ${id}`;

/**
 * Plans the deliveries of a run, before it is done; the same run again plans nothing new. Those that the day's quota leaves
 * out are in the log, as failed.
 * @returns the ids of the others
 */
export async function planDeliveries(
  ctx: Context,
  workspaceId: string,
  runId: string,
  recipients: readonly StoredRecipient[],
): Promise<string[]> {
  const before = await deliveriesOf(ctx, workspaceId, runId);
  const known = new Map(before.map(({ id, status }) => [id, status]));
  const planned: string[] = [];
  for (const [place, to] of recipients.entries()) {
    const id = `${runId}-${place}`;
    if (known.has(id)) {
      if (known.get(id) === "waiting") planned.push(id);
      continue;
    }
    const owner = { quotas: ctx.config.QUOTAS, workspaceId };
    const isAllowed = await countUse(ctx.db, owner, "deliveries_per_day");
    const [status, answer] = isAllowed ? ["waiting", null] : ["failed", OVER_QUOTA];
    await ctx.db.run(sql`insert into report_deliveries (workspace_id, id, run_id, recipient, status, answer, created_at)
        values (${workspaceId}, ${id}, ${runId}, ${JSON.stringify(to)}::jsonb, ${status}, ${answer}, now())
        on conflict (workspace_id, id) do nothing`);
    if (isAllowed) planned.push(id);
  }
  return planned;
}

function deliveriesOf(ctx: Context, workspaceId: string, runId: string) {
  return ctx.db.all({
    sql: sql`select ${COLUMNS} from report_deliveries e
      where ${inWorkspace(workspaceId, "e")} and e.run_id = ${runId} order by length(e.id), e.id`,
    row,
  });
}

/** The log of a run's deliveries, in the order of its recipients, without their secrets. */
export async function listDeliveries(ctx: Context, workspaceId: string, runId: string) {
  const found = await deliveriesOf(ctx, workspaceId, runId);
  return found.map((each) => ({ ...each, recipient: maskedRecipient(each.recipient) }));
}

/** Begins an attempt of one delivery, unless it is over, put off, or somebody is at it. */
export async function claimDelivery(ctx: Context, job: JobId): Promise<ReportDelivery | undefined> {
  const found = await ctx.db.maybe({
    sql: sql`update report_deliveries e set ${begun} where ${one(job)} and ${isOpen} returning ${COLUMNS}`,
    row,
  });
  return found && { ...found, workspaceId: job.workspaceId };
}

/** Begins an attempt of the delivery whose workspace has its turn. */
export async function takeDelivery(ctx: Context): Promise<ReportDelivery | undefined> {
  const found = await takeTurn(ctx.db, "deliveries", {
    work: sql`select 'delivery' as kind, e.workspace_id, e.id, ${isOpen} as open, ${isSending} as busy,
      coalesce(e.not_before, e.created_at) as since from report_deliveries e where e.status in ('waiting', 'sending')`,
    most: ctx.config.QUOTAS.deliveries_at_work,
    take: sql`took as (update report_deliveries e set ${begun} from pick p
        where e.workspace_id = p.workspace_id and e.id = p.id returning e.*)
      select e.workspace_id, ${COLUMNS} from took e`,
    row: row.extend({ workspace_id: z.string() }),
  });
  if (!found) return undefined;
  const { workspace_id: workspaceId, ...rest } = found;
  return { ...rest, workspaceId };
}

/** Deliveries whose attempt should have begun: their message, or their worker, was lost. The first of each workspace first. */
export function overdueDeliveries(ctx: Context, limit: number) {
  return ctx.db.all({
    sql: sql`select e.workspace_id, e.id from (
        select e.*, row_number() over (partition by e.workspace_id order by e.created_at, e.id) as place
        from report_deliveries e where ${isOpen}
          and coalesce(e.not_before, e.attempted_at, e.created_at) < now() - interval '1 minute') e
      order by e.place, e.created_at limit ${limit}::int`,
    row: z.object({ workspace_id: z.string(), id: z.string() }),
  });
}

const change = (ctx: Context, found: ReportDelivery, changes: SQL) =>
  ctx.db.all({
    sql: sql`update report_deliveries e set ${changes}
      where ${one(found)} and e.status = 'sending' and e.attempts = ${found.attempts}`,
    row: z.unknown(),
  });

/** Writes how this attempt ended; one that another has overtaken writes nothing. */
export const noteDelivery = (
  ctx: Context,
  found: ReportDelivery,
  status: "delivered" | "failed",
  answer: string,
) =>
  change(
    ctx,
    found,
    sql`status = ${status}, answer = ${cutText(answer, MAX_ANSWER)}, not_before = null,
      delivered_at = case when ${status} = 'delivered' then now() end`,
  );

/** Puts the next attempt off, or gives up after the last one: the one place that decides when. */
export async function retryDelivery(
  ctx: Context,
  found: ReportDelivery,
  error: Error,
): Promise<JobOutcome> {
  if (found.attempts >= MAX_ATTEMPTS) {
    await noteDelivery(ctx, found, "failed", error.message);
    return { status: "failed", error, isKnown: false };
  }
  const wait = backoff(found.attempts, WAIT_SECONDS, MAX_WAIT_SECONDS);
  const afterSeconds = Math.ceil(WAIT_SECONDS + wait);
  await change(
    ctx,
    found,
    sql`status = 'waiting', answer = ${cutText(error.message, MAX_ANSWER)},
      not_before = now() + ${afterSeconds}::int * interval '1 second'`,
  );
  return { status: "again", afterSeconds, error };
}

/** Lets a delivery that has failed begin again, with all of its attempts. */
export async function reopenDelivery(ctx: Context, job: JobId): Promise<void> {
  await ctx.db.run(sql`update report_deliveries e set status = 'waiting', attempts = 0, not_before = null
      where ${one(job)} and e.status = 'failed'`);
}
