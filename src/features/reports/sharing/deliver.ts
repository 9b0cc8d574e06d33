import { derivedKey } from "../../../auth/derived-keys.ts";
import type { Context } from "../../../context.ts";
import {
  type DeliveryMessage,
  isAccepted,
  isRefusedForGood,
  sendMessage,
} from "../../../delivery/send.ts";
import type { JobOutcome } from "../../../jobs/endings.ts";
import type { JobId } from "../../../jobs/lease.ts";
import { AppError } from "../../../lib/errors.ts";
import { withoutSecrets } from "../definition/recipients.ts";
import { localMoment } from "../render/document.ts";
import { getReportRun } from "../runs/queries.ts";
import type { ReportRun } from "../runs/schema.ts";
import {
  claimDelivery,
  noteDelivery,
  type ReportDelivery,
  retryDelivery,
  takeDelivery,
} from "./delivery-queries.ts";
import { createShare } from "./shares.ts";

/** Days that the link in a message leads to the file. */
const LINK_DAYS = 30;

/** A name on one line: no line of a message is the name's to write, whatever characters it has. */
const singleLine = (name: string) => name.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim();

/** The message that a run is done. @param url of the file */
function completionMessage(
  run: ReportRun,
  { workspaceId, id }: ReportDelivery,
  url: string,
): DeliveryMessage {
  const { name, from, to, timezone } = run.request;
  const subject = singleLine(name);
  const range = `${localMoment(from, timezone)} to ${localMoment(to, timezone)} (${timezone})`;
  const data = {
    run_id: run.id,
    report_id: run.report_id,
    workspace_id: workspaceId,
    name,
    from,
    to,
    as_of: run.as_of,
    file: run.file,
    url,
  };
  return {
    workspaceId,
    id,
    subject,
    text: `${subject}, ${range}: ${url}`,
    event: { type: "report.completed", data },
  };
}

/** @throws AppError unavailable for a run that may still become done, conflict for any other */
async function finishedRun(ctx: Context, workspaceId: string, id: string): Promise<ReportRun> {
  const run = await getReportRun(ctx, workspaceId, id);
  if (run.status === "done") return run;
  const isUnderWay = run.status === "queued" || run.status === "running";
  const kind = isUnderWay ? "unavailable" : "conflict";
  throw new AppError(kind, "run_not_done", `The run is ${run.status}.`);
}

/** A token of the delivery: both copies of a message that arrives twice have the same link. */
async function linkToken(ctx: Context, { workspaceId, id }: ReportDelivery): Promise<string> {
  const key = await derivedKey(ctx.config, `delivery:${workspaceId}:${id}`);
  return key.toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * @returns the receiver's answer, without secrets
 * @throws AppError if the answer is not 2xx
 */
async function attemptDelivery(ctx: Context, delivery: ReportDelivery): Promise<string> {
  const { workspaceId, recipient } = delivery;
  const run = await finishedRun(ctx, workspaceId, delivery.run_id);
  const token = await linkToken(ctx, delivery);
  await createShare(ctx, workspaceId, run.id, { author: "delivery", days: LINK_DAYS, token });
  const url = `${ctx.config.PUBLIC_URL}/api/v1/shared/${token}`;
  const answer = await sendMessage(ctx, recipient, completionMessage(run, delivery, url));
  // A server may repeat its request: neither the log nor a dead letter may have the secrets of it.
  const text = withoutSecrets(`${answer.status} ${answer.body}`.trim(), recipient, token);
  if (isAccepted(answer)) return text;
  const kind = isRefusedForGood(answer) ? "conflict" : "unavailable";
  throw new AppError(kind, "delivery_refused", text);
}

/** @returns for a refusal `failed` with `isKnown`: the log of the delivery has the reason */
async function sendTaken(ctx: Context, delivery: ReportDelivery): Promise<JobOutcome> {
  try {
    await noteDelivery(ctx, delivery, "delivered", await attemptDelivery(ctx, delivery));
    return { status: "done" };
  } catch (error) {
    if (!(error instanceof AppError)) {
      await noteDelivery(ctx, delivery, "failed", "It could not be sent.");
      return { status: "failed", error, isKnown: false };
    }
    if (error.kind === "unavailable" || error.kind === "timeout")
      return retryDelivery(ctx, delivery, error);
    await noteDelivery(ctx, delivery, "failed", error.message);
    return { status: "failed", error, isKnown: true };
  }
}

/**
 * Sends one delivery, if its next attempt may begin. 2xx delivers it. A refusal for good (3xx, and
 * 4xx but 408, 425, 429) fails it at once; any other failure is retried.
 */
export async function sendDelivery(ctx: Context, job: JobId): Promise<JobOutcome> {
  const delivery = await claimDelivery(ctx, job);
  return delivery ? sendTaken(ctx, delivery) : { status: "lost" };
}

/**
 * Sends the next delivery of the workspace whose turn it is.
 * @returns undefined if no delivery waits
 */
export async function sendNextDelivery(
  ctx: Context,
): Promise<{ job: JobId; attempts: number; outcome: JobOutcome } | undefined> {
  const delivery = await takeDelivery(ctx);
  if (!delivery) return undefined;
  const { workspaceId, id, attempts } = delivery;
  return { job: { workspaceId, id }, attempts, outcome: await sendTaken(ctx, delivery) };
}
