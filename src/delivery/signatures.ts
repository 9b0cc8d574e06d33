import { Webhook } from "standardwebhooks";
import { derivedKey } from "../auth/derived-keys.ts";
import type { Config } from "../config.ts";

/** Secret of a workspace's webhook signatures (Standard Webhooks). It is derived, not stored. */
export async function webhookSecret(config: Config, workspaceId: string): Promise<string> {
  const key = await derivedKey(config, `webhooks:${workspaceId}`);
  return `whsec_${key.toBase64()}`;
}

/**
 * Headers by which a receiver checks a webhook (Standard Webhooks).
 * @param id of the delivery: the same for every attempt, so that a receiver recognises a repetition
 * @param body exactly as it is sent
 */
export async function webhookHeaders(
  config: Config,
  workspaceId: string,
  id: string,
  sentAt: Date,
  body: string,
): Promise<Record<string, string>> {
  const secret = await webhookSecret(config, workspaceId);
  return {
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(sentAt.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign(id, sentAt, body),
  };
}
