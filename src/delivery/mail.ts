import type { Config } from "../config.ts";
import { AppError } from "../lib/errors.ts";
import { type OutgoingAnswer, postOutgoing } from "./outgoing.ts";

interface Mail {
  /** Id of the delivery: a provider that knows it sends one mail for it. */
  id: string;
  to: string[];
  subject: string;
  text: string;
}

/** Sends a mail, and returns the provider's answer. */
export type MailSender = (mail: Mail) => Promise<OutgoingAnswer>;

const json = { "content-type": "application/json", accept: "application/json" };

/** Providers by name: each turns a mail into a request of its HTTP API. */
const PROVIDERS: Record<
  NonNullable<Config["MAIL_PROVIDER"]>,
  (key: string, from: string) => MailSender
> = {
  resend:
    (key, from) =>
    ({ id, ...mail }) =>
      postOutgoing(
        "https://api.resend.com/emails",
        { ...json, authorization: `Bearer ${key}`, "idempotency-key": id },
        JSON.stringify({ from, ...mail }),
      ),
  postmark: (key, from) => (mail) =>
    postOutgoing(
      "https://api.postmarkapp.com/email",
      { ...json, "x-postmark-server-token": key },
      JSON.stringify({
        From: from,
        To: mail.to.join(","),
        Subject: mail.subject,
        TextBody: mail.text,
      }),
    ),
};

export const canMail = ({ MAIL_PROVIDER, MAIL_API_KEY, MAIL_FROM }: Config) =>
  Boolean(MAIL_PROVIDER && MAIL_API_KEY && MAIL_FROM);

/** @throws AppError unprocessable when no provider is configured */
export function mailerOf({ MAIL_PROVIDER, MAIL_API_KEY, MAIL_FROM }: Config): MailSender {
  if (!MAIL_PROVIDER || !MAIL_API_KEY || !MAIL_FROM)
    throw new AppError("unprocessable", "mail_not_configured", "No mail provider is configured.");
  return PROVIDERS[MAIL_PROVIDER](MAIL_API_KEY, MAIL_FROM);
}
