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
/** Shorter parts of a URL are words, not secrets. */
const MIN_SECRET = 8;

const maskedUrl = ({ url, key = "" }: { url: string; key?: string | undefined }) =>
  `${new URL(url).origin}/***${key}`;

/**
 * Masks a recipient for answers. The path and the query of a webhook's URL are its password, such
 * as Slack's tokens: answers show the host and a key of the recipient only.
 */
export function maskedRecipient(to: StoredRecipient): ReportRecipient {
  return to.method === "email" ? to : { method: to.method, url: maskedUrl(to) };
}

/** Removes the secrets of a recipient's URL from a text, such as an answer that echoes it. */
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
    throw unprocessable(path, "public_url_missing", "PUBLIC_URL must be set to send links.");
  if (!canDerive(config))
    throw unprocessable(path, "links_not_configured", "LINK_SECRET_KEY must be set to sign links.");
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

/** Finds the stored recipient of a given one: by its masked URL, or by the same whole URL. */
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
      "This masked URL matches no single recipient of this report: give the whole URL.",
    );
  return found;
}

/**
 * Returns recipients as they are stored. One with a masked URL keeps its stored URL.
 * @param stored the current recipients of the report
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
