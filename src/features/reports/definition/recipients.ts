import { canDerive } from "../../../auth/derived-keys.ts";
import type { Config } from "../../../config.ts";
import { canMail } from "../../../delivery/mail.ts";
import { outgoingUrl } from "../../../delivery/outgoing.ts";
import { unprocessable } from "../../../lib/errors.ts";
import { randomToken } from "../../../lib/ids.ts";
import type { ReportRecipient, StoredRecipient } from "./recipient-schema.ts";

const KEY_BYTES = 6;
/** The host, and what tells two recipients of one host apart. */
const MASKED = /^https:\/\/[^/?#]+\/\*\*\*[\w-]{0,8}$/;
/** A shorter part of a URL is a word and no secret. */
const MIN_SECRET = 8;

const maskedUrl = ({ url, key = "" }: { url: string; key?: string | undefined }) =>
  `${new URL(url).origin}/***${key}`;

/**
 * A recipient as every answer shows it. The path and the query of a webhook's URL are its password (Slack's tokens, signatures,
 * keys), so that nobody reads them again: what is left is the host, and a key of the recipient's own.
 */
export function maskedRecipient(to: StoredRecipient): ReportRecipient {
  return to.method === "email" ? to : { method: to.method, url: maskedUrl(to) };
}

/** Takes what is secret in a recipient's URL out of a text, e.g. out of an answer that repeats its request. */
export function withoutSecrets(text: string, to: StoredRecipient, ...secrets: string[]): string {
  if (to.method !== "email") {
    const { href, pathname, search, searchParams } = new URL(to.url);
    const parts = [...`${pathname}${search}`.split(/[/?&=]/), ...searchParams.values()];
    secrets.push(to.url, href, ...parts.filter((part) => part.length >= MIN_SECRET));
  }
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
}

/** @throws AppError unprocessable for an address that does not fit its method */
function checkRecipient(config: Config, to: ReportRecipient, path: string): void {
  if (!config.PUBLIC_URL)
    throw unprocessable(
      path,
      "public_url_missing",
      "PUBLIC_URL is not configured: a message could not say where the file is.",
    );
  if (!canDerive(config))
    throw unprocessable(
      path,
      "links_not_configured",
      "LINK_SECRET_KEY is not configured: links could not be signed.",
    );
  if (to.method === "email") {
    if (!canMail(config))
      throw unprocessable(
        `${path}.method`,
        "mail_not_configured",
        "No mail provider is configured.",
      );
    return;
  }
  const { hostname } = outgoingUrl(to.url, `${path}.url`);
  if (to.method === "slack" && hostname !== "hooks.slack.com")
    throw unprocessable(
      `${path}.url`,
      "url_refused",
      "Slack's incoming webhooks are at https://hooks.slack.com/.",
    );
}

/** The stored recipient that a given one means: by its masked URL, or by the same whole one. */
function meant(
  to: ReportRecipient,
  stored: readonly StoredRecipient[],
  path: string,
): StoredRecipient {
  if (to.method === "email") return to;
  const hooks = stored.flatMap((each) => (each.method === to.method ? [each] : []));
  if (!MASKED.test(to.url))
    return hooks.find(({ url }) => url === to.url) ?? { ...to, key: randomToken(KEY_BYTES) };
  const [found, ...others] = hooks.filter((each) => maskedUrl(each) === to.url);
  if (!found || others.some(({ url }) => url !== found.url))
    throw unprocessable(
      `${path}.url`,
      "masked_url",
      "This masked URL stands for no one recipient of this report: give the whole URL.",
    );
  return found;
}

/**
 * Recipients as they are stored. One whose URL is masked, as an answer shows it, stays what it was.
 * @param stored those that the report has so far
 * @throws AppError unprocessable, with the path
 */
export function recipientsOf(
  config: Config,
  given: readonly ReportRecipient[],
  stored: readonly StoredRecipient[],
): StoredRecipient[] {
  return given.map((each, place) => {
    const to = meant(each, stored, `recipients.${place}`);
    checkRecipient(config, to, `recipients.${place}`);
    return to;
  });
}
