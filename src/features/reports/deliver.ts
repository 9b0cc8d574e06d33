import { sql } from "drizzle-orm";
import { Webhook } from "standardwebhooks";
import { z } from "zod";
import type { Config } from "../../config.ts";
import type { Context } from "../../context.ts";
import { inWorkspace } from "../../db/scope.ts";
import { AppError } from "../../lib/errors.ts";
import { post, type Sent } from "../../lib/outgoing.ts";
import { derivedKey } from "../../storage/keys.ts";
import { mailerOf } from "./mail.ts";
import { getRun } from "./queries.ts";
import { maskedRecipient, withoutSecrets } from "./recipients.ts";
import { delivery, type ReportRun, type StoredRecipient, storedRecipient } from "./schema.ts";
import { createShare } from "./shares.ts";

/** How long the link in a message leads to the file. */
const LINK_DAYS = 30;

const COLUMNS = sql.raw(
  "e.id, e.run_id, e.recipient, e.status, e.attempts, e.answer, e.created_at, e.attempted_at, e.delivered_at",
);
/** A workspace's own secret for the signatures of its webhooks (Standard Webhooks): derived, not stored. */
export async function webhookSecret(config: Config, workspaceId: string): Promise<string> {
  const key = await derivedKey(config, `webhooks:${workspaceId}`);
  return `whsec_${key.toBase64()}`;
}

/** Plans the deliveries of a run, before it is done; the same run again plans nothing new. @returns their ids */
export async function planDeliveries(
  ctx: Context,
  workspaceId: string,
  runId: string,
  recipients: readonly StoredRecipient[],
): Promise<string[]> {
  const ids = recipients.map((_, place) => `${runId}-${place}`);
  for (const [place, to] of recipients.entries()) {
    await ctx.db.query({
      sql: sql`insert into report_deliveries (workspace_id, id, run_id, recipient, status, created_at)
        values (${workspaceId}, ${ids[place]}, ${runId}, ${JSON.stringify(to)}::jsonb, 'waiting', now()) on conflict (workspace_id, id) do nothing`,
      row: z.unknown(),
    });
  }
  return ids;
}

/** Deliveries that wait for so long that their message must be lost. */
export function lostDeliveries(ctx: Context) {
  return ctx.db.query({
    sql: sql`select e.workspace_id, e.id from report_deliveries e where e.status in ('waiting', 'sending') and coalesce(e.attempted_at, e.created_at) < now() - interval '1 hour' order by e.created_at limit 1000`,
    row: z.object({ workspace_id: z.string(), id: z.string() }),
  });
}

const row = delivery.extend({ recipient: storedRecipient });

/** The log of a run's deliveries, in the order of its recipients, without their secrets. */
export async function listDeliveries(ctx: Context, workspaceId: string, runId: string) {
  const found = await ctx.db.query({
    sql: sql`select ${COLUMNS} from report_deliveries e where ${inWorkspace(workspaceId, "e")} and e.run_id = ${runId} order by length(e.id), e.id`,
    row,
  });
  return found.map((each) => ({ ...each, recipient: maskedRecipient(each.recipient) }));
}

interface Letter {
  run: ReportRun;
  workspaceId: string;
  /** Of the delivery: the same for every attempt, so that a receiver knows a second one. */
  id: string;
  url: string;
}

/** A name is of one line here, whatever characters are in it: no line of a message is the name's to write. */
const nameOf = ({ run }: Letter) => run.request.name.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();
const line = (letter: Letter) => {
  const { from, to, timezone } = letter.run.request;
  return `${nameOf(letter)}, ${from} to ${to} (${timezone}): ${letter.url}`;
};

const SLACK_ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
/** Slack's three control characters: unescaped, a name could mention a channel or hide a link behind words. */
export const slackText = (text: string) =>
  text.replace(/[&<>]/g, (char) => SLACK_ESCAPES[char] ?? char);

async function send(ctx: Context, to: StoredRecipient, letter: Letter): Promise<Sent> {
  const { run, workspaceId, id, url } = letter;
  if (to.method === "email")
    return mailerOf(ctx.config)({ id, to: to.to, subject: nameOf(letter), text: line(letter) });
  if (to.method === "slack")
    return post(
      to.url,
      { "content-type": "application/json" },
      // Without marks: a name with asterisks or underscores stays as it is written.
      JSON.stringify({ text: slackText(line(letter)), mrkdwn: false }),
    );
  const { request, report_id, as_of, file } = run;
  const data = {
    run_id: run.id,
    report_id,
    workspace_id: workspaceId,
    name: request.name,
    from: request.from,
    to: request.to,
    as_of,
    file,
    url,
  };
  const at = new Date(ctx.now());
  const body = JSON.stringify({ type: "report.completed", timestamp: at.toISOString(), data });
  const signature = new Webhook(await webhookSecret(ctx.config, workspaceId)).sign(id, at, body);
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
    "webhook-signature": signature,
  };
  return post(to.url, { "content-type": "application/json", ...headers }, body);
}

/**
 * Sends one delivery, if it is still waiting. An answer of 2xx delivers it.
 * @param again also one that has failed
 * @throws when another attempt may do better; what a server refuses for good (4xx but 408, 425 and 429) fails at once
 */
export async function deliver(
  ctx: Context,
  workspaceId: string,
  id: string,
  again = false,
): Promise<void> {
  const [found] = await ctx.db.query({
    sql: sql`update report_deliveries e set attempts = e.attempts + 1, attempted_at = now(), status = 'sending'
      where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and (e.status = 'waiting' or (e.status = 'sending' and e.attempted_at < now() - interval '2 minutes')
          or (${again} and e.status = 'failed')) returning ${COLUMNS}`,
    row,
  });
  if (!found) return;
  const note = (status: string, answer: string) =>
    ctx.db.query({
      sql: sql`update report_deliveries e set status = ${status}, answer = ${answer.slice(0, 500)}, delivered_at = case when ${status} = 'delivered' then now() end
        where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and e.status = 'sending'`,
      row: z.unknown(),
    });
  try {
    const run = await getRun(ctx, workspaceId, found.run_id);
    if (run.status !== "done")
      throw new AppError("unavailable", "run_not_done", `The run is ${run.status}.`);
    // The same link in every attempt: of a message that arrives twice, either may be kept.
    const key = await derivedKey(ctx.config, `delivery:${workspaceId}:${id}`);
    const token = key.toBase64({ alphabet: "base64url", omitPadding: true });
    await createShare(ctx, workspaceId, run.id, { author: "delivery", days: LINK_DAYS, token });
    const { status, body } = await send(ctx, found.recipient, {
      run,
      workspaceId,
      id,
      url: `${ctx.config.PUBLIC_URL}/api/v1/shared/${token}`,
    });
    // A server may repeat what it was sent: neither the log nor a dead letter is a place for it.
    const answer = withoutSecrets(`${status} ${body}`.trim(), found.recipient, token);
    if (status >= 200 && status < 300) return void (await note("delivered", answer));
    if (status >= 300 && status < 500 && ![408, 425, 429].includes(status))
      return void (await note("failed", answer));
    throw new AppError("unavailable", "delivery_refused", answer);
  } catch (error) {
    if (!(error instanceof AppError)) {
      await note("waiting", "It could not be sent.");
      throw error;
    }
    await note(error.kind === "unavailable" ? "waiting" : "failed", error.message);
    if (error.kind === "unavailable") throw error;
  }
}

/** Marks a delivery whose message was given up. */
export async function giveUpDelivery(ctx: Context, workspaceId: string, id: string): Promise<void> {
  await ctx.db.query({
    sql: sql`update report_deliveries e set status = 'failed' where ${inWorkspace(workspaceId, "e")} and e.id = ${id} and (e.status = 'waiting' or (e.status = 'sending' and e.attempted_at < now() - interval '2 minutes'))`,
    row: z.unknown(),
  });
}
