import { Webhook } from "standardwebhooks";
import { derivedKey } from "../../../auth/derived-keys.ts";
import type { Config } from "../../../config.ts";
import type { Context } from "../../../context.ts";
import { mailerOf } from "../../../delivery/mail.ts";
import { type OutgoingAnswer, postOutgoing } from "../../../delivery/outgoing.ts";
import type { JobId, JobOutcome } from "../../../jobs/lease.ts";
import { AppError } from "../../../lib/errors.ts";
import { withoutSecrets } from "../definition/recipients.ts";
import { getRun } from "../queries.ts";
import { localMoment } from "../render/document.ts";
import type { ReportRun, StoredRecipient } from "../schema.ts";
import {
  claimDelivery,
  type Delivery,
  noteDelivery,
  retryDelivery,
  takeDelivery,
} from "./deliveries.ts";
import { createShare } from "./shares.ts";

/** How long the link in a message leads to the file. */
const LINK_DAYS = 30;

/** A workspace's own secret for the signatures of its webhooks (Standard Webhooks): derived, not stored. */
export async function webhookSecret(config: Config, workspaceId: string): Promise<string> {
  const key = await derivedKey(config, `webhooks:${workspaceId}`);
  return `whsec_${key.toBase64()}`;
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
  const [first, last] = [from, to].map((at) => localMoment(at, timezone));
  return `${nameOf(letter)}, ${first} to ${last} (${timezone}): ${letter.url}`;
};

const SLACK_ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
/** Slack's three control characters: unescaped, a name could mention a channel or hide a link behind words. */
export const slackText = (text: string) =>
  text.replace(/[&<>]/g, (char) => SLACK_ESCAPES[char] ?? char);

async function send(ctx: Context, to: StoredRecipient, letter: Letter): Promise<OutgoingAnswer> {
  const { run, workspaceId, id, url } = letter;
  if (to.method === "email")
    return mailerOf(ctx.config)({ id, to: to.to, subject: nameOf(letter), text: line(letter) });
  if (to.method === "slack")
    return postOutgoing(
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
  return postOutgoing(to.url, { "content-type": "application/json", ...headers }, body);
}

/** What a server answered, without what is secret. @throws AppError when that is no 2xx */
async function attempt(ctx: Context, { workspaceId, id, ...found }: Delivery): Promise<string> {
  const run = await getRun(ctx, workspaceId, found.run_id);
  if (run.status !== "done") {
    const kind = ["queued", "running"].includes(run.status) ? "unavailable" : "conflict";
    throw new AppError(kind, "run_not_done", `The run is ${run.status}.`);
  }
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
  if (status >= 200 && status < 300) return answer;
  const isFinal = status >= 300 && status < 500 && ![408, 425, 429].includes(status);
  throw new AppError(isFinal ? "conflict" : "unavailable", "delivery_refused", answer);
}

/** @returns `failed` as known: the delivery's log says why */
async function sendTaken(ctx: Context, found: Delivery): Promise<JobOutcome> {
  try {
    await noteDelivery(ctx, found, "delivered", await attempt(ctx, found));
    return { status: "done" };
  } catch (error) {
    if (!(error instanceof AppError)) {
      await noteDelivery(ctx, found, "failed", "It could not be sent.");
      return { status: "failed", error, isKnown: false };
    }
    if (error.kind === "unavailable" || error.kind === "timeout")
      return retryDelivery(ctx, found, error);
    await noteDelivery(ctx, found, "failed", error.message);
    return { status: "failed", error, isKnown: true };
  }
}

/**
 * Sends one delivery, if its next attempt may begin. An answer of 2xx delivers it; what a server refuses for good (4xx but
 * 408, 425 and 429) has failed at once, all else is tried again.
 */
export async function deliver(ctx: Context, job: JobId): Promise<JobOutcome> {
  const found = await claimDelivery(ctx, job);
  return found ? sendTaken(ctx, found) : { status: "lost" };
}

/** Sends the delivery whose workspace has its turn. @returns undefined when none waits */
export async function deliverNext(
  ctx: Context,
): Promise<{ job: JobId; attempts: number; outcome: JobOutcome } | undefined> {
  const found = await takeDelivery(ctx);
  if (!found) return undefined;
  const { workspaceId, id, attempts } = found;
  return { job: { workspaceId, id }, attempts, outcome: await sendTaken(ctx, found) };
}
