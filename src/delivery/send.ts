import type { Context } from "../context.ts";
import { mailerOf } from "./mail.ts";
import { type OutgoingAnswer, postOutgoing } from "./outgoing.ts";
import { webhookHeaders } from "./signatures.ts";

/** The address of a message, by method. */
export type DeliveryTarget =
  | { method: "webhook"; url: string }
  | { method: "slack"; url: string }
  | { method: "email"; to: string[] };

/** A message in the forms that the methods send. */
export interface DeliveryMessage {
  workspaceId: string;
  /** Id of the delivery: the same for every attempt, so that a receiver recognises a repetition. */
  id: string;
  /** One line. */
  subject: string;
  /** Plain text. */
  text: string;
  /** Body of a webhook, beside its timestamp. */
  event: { type: string; data: Record<string, unknown> };
}

const JSON_TYPE = { "content-type": "application/json" };

const SLACK_ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/**
 * Escapes Slack's three control characters: otherwise a name could mention a channel or hide a link
 * behind words.
 */
export const slackText = (text: string): string =>
  text.replace(/[&<>]/g, (char) => SLACK_ESCAPES[char] ?? char);

type Sender<T> = (ctx: Context, target: T, message: DeliveryMessage) => Promise<OutgoingAnswer>;

const SENDERS: {
  [M in DeliveryTarget["method"]]: Sender<Extract<DeliveryTarget, { method: M }>>;
} = {
  async email(ctx, { to }, { id, subject, text }) {
    return mailerOf(ctx.config)({ id, to, subject, text });
  },
  async slack(_, { url }, { text }) {
    // Without markup: a name with asterisks or underscores stays as it is written.
    return postOutgoing(url, JSON_TYPE, JSON.stringify({ text: slackText(text), mrkdwn: false }));
  },
  async webhook(ctx, { url }, { workspaceId, id, event: { type, data } }) {
    const sentAt = new Date(ctx.now());
    const body = JSON.stringify({ type, timestamp: sentAt.toISOString(), data });
    const signature = await webhookHeaders(ctx.config, workspaceId, id, sentAt, body);
    return postOutgoing(url, { ...JSON_TYPE, ...signature }, body);
  },
};

/**
 * Sends a message by the method of its target.
 * @returns the answer of the receiver, or of the mail provider
 * @throws AppError unprocessable for a URL that is refused or a missing mail provider; unavailable
 * for a receiver that does not answer in time
 */
export function sendMessage(
  ctx: Context,
  target: DeliveryTarget,
  message: DeliveryMessage,
): Promise<OutgoingAnswer> {
  const send = SENDERS[target.method] as Sender<DeliveryTarget>;
  return send(ctx, target, message);
}

export const isAccepted = ({ status }: OutgoingAnswer): boolean => status >= 200 && status < 300;

const RETRYABLE_STATUSES = [408, 425, 429];

/** Whether a receiver would refuse the same message again: a redirect, or 4xx but 408, 425, 429. */
export const isRefusedForGood = ({ status }: OutgoingAnswer): boolean =>
  status >= 300 && status < 500 && !RETRYABLE_STATUSES.includes(status);
