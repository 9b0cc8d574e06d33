import { z } from "@hono/zod-openapi";
import { textInput } from "../../../http/fields.ts";

const hookUrl = textInput(2048).openapi({
  description:
    "Of an answer: masked, `https://host/***key`. PUT with the masked text keeps the URL that is stored.",
});

const webhook = z.strictObject({ method: z.literal("webhook"), url: hookUrl });

const slack = z.strictObject({ method: z.literal("slack"), url: hookUrl });

const email = z.strictObject({
  method: z.literal("email"),
  to: z.array(z.email().max(254)).min(1).max(50),
});

/** Who is told when a run is done, and how. A mail and a message carry a link to the file. */
export const recipientShape = z
  .discriminatedUnion("method", [webhook, slack, email])
  .openapi("ReportRecipient");

export type ReportRecipient = z.output<typeof recipientShape>;

export const recipients = z.array(recipientShape).max(20);

const hookKey = { key: z.string().optional() };

/** With the whole URL, and the key that the masked one ends in; those from before keys have none. */
export const storedRecipient = z.discriminatedUnion("method", [
  webhook.extend(hookKey),
  slack.extend(hookKey),
  email,
]);

export type StoredRecipient = z.output<typeof storedRecipient>;
