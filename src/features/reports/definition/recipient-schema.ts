import { z } from "@hono/zod-openapi";
import { textInput } from "../../../http/fields.ts";

const hookUrl = textInput(2048).openapi({
  description: [
    "Answers mask it as `https://host/***key`.",
    "PUT with the masked text keeps the stored URL.",
  ].join(" "),
});

const webhook = z.strictObject({ method: z.literal("webhook"), url: hookUrl });

const slack = z.strictObject({ method: z.literal("slack"), url: hookUrl });

const email = z.strictObject({
  method: z.literal("email"),
  to: z.array(z.email().max(254)).min(1).max(50),
});

/** A receiver of the message that a run is done. The message has a link to the file. */
export const recipientShape = z
  .discriminatedUnion("method", [webhook, slack, email])
  .openapi("ReportRecipient");

export type ReportRecipient = z.output<typeof recipientShape>;

export const recipients = z.array(recipientShape).max(20);

const hookKey = { key: z.string().optional() };

/** With the whole URL, and the key of its masked form; early recipients have no key. */
export const storedRecipient = z.discriminatedUnion("method", [
  webhook.extend(hookKey),
  slack.extend(hookKey),
  email,
]);

export type StoredRecipient = z.output<typeof storedRecipient>;
