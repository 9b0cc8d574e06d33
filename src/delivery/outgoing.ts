import { AppError, unprocessable } from "../lib/errors.ts";
import { cutText } from "../lib/text.ts";

/** Milliseconds that another server has to answer. */
const LIMIT_MS = 10_000;
const MAX_REDIRECTS = 3;

const NAMES =
  /^(localhost|.*\.(localhost|local|internal|lan|home|corp|intranet|home\.arpa)|metadata|.*\.metadata\..*)$/i;

/** Networks without public servers (IANA registries): first address, length of the prefix. */
const PRIVATE_V4: [string, number][] = [
  ...([
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.0.0.0", 24],
  ] as [string, number][]),
  ...([
    ["192.0.2.0", 24],
    ["192.88.99.0", 24],
    ["192.168.0.0", 16],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 3],
  ] as [string, number][]),
];

const v4 = (text: string) => text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

function isPrivateV4(address: string): boolean {
  const value = v4(address);
  return PRIVATE_V4.some(
    ([first, length]) =>
      Math.floor(value / 2 ** (32 - length)) === Math.floor(v4(first) / 2 ** (32 - length)),
  );
}

/** The eight groups of an address that the URL parser has written in its short form. */
function groupsOf(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const part = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [first, last] = [part(head), part(tail ?? "")];
  return tail === undefined
    ? first
    : [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/**
 * Only global unicast (2000::/3) is public. Of it, addresses that carry or tunnel an IPv4 address
 * are refused.
 */
function isPrivateV6(address: string): boolean {
  const [a = 0, b = 0] = groupsOf(address);
  return a < 0x2000 || a > 0x3fff || a === 0x2002 || (a === 0x2001 && (b < 0x200 || b === 0xdb8));
}

/**
 * Parses the URL of another server: https, port 443, no user, and no private, loopback or metadata
 * address in any notation. Names are not resolved: a Worker reaches no private network.
 * @throws AppError unprocessable, with the path
 */
export function outgoingUrl(text: string, path: string): URL {
  const refuse = (message: string) => unprocessable(path, "url_refused", message);
  const url = URL.parse(text);
  if (!url) throw refuse("This is not a URL.");
  if (url.protocol !== "https:") throw refuse("Only https is allowed.");
  if (url.username !== "" || url.password !== "") throw refuse("A URL must not carry a password.");
  if (url.port !== "") throw refuse("Only port 443 is allowed.");
  const host = url.hostname.replace(/\.+$/, "");
  const isV4 = /^\d+\.\d+\.\d+\.\d+$/.test(host);
  const isV6 = host.startsWith("[");
  if (
    isV4
      ? isPrivateV4(host)
      : isV6
        ? isPrivateV6(host.slice(1, -1))
        : NAMES.test(host) || !host.includes(".")
  )
    throw refuse("This address is not public.");
  return url;
}

export interface OutgoingAnswer {
  status: number;
  /** First 500 characters of the response body. */
  body: string;
}

const MAX_BODY_CHARS = 500;

/** First characters of a response body; the rest is not read. A broken body is not a failure. */
async function readStart(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (reader && text.length < MAX_BODY_CHARS) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value as Uint8Array, { stream: true });
    }
  } catch {
    // The status has arrived, and it decides.
  }
  await reader?.cancel().catch(() => undefined);
  return cutText(text.replaceAll("\0", ""), MAX_BODY_CHARS);
}

/**
 * POSTs to another server. Every redirect is checked as the first URL is.
 * @throws AppError unprocessable for a URL that is refused; unavailable without an answer in time
 */
export async function postOutgoing(
  text: string,
  headers: Record<string, string>,
  body: string,
): Promise<OutgoingAnswer> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  let url = outgoingUrl(text, "url");
  for (let redirects = 0; ; redirects++) {
    let answer: Response;
    try {
      answer = await fetch(url.href, { method: "POST", headers, body, redirect: "manual", signal });
    } catch (cause) {
      throw new AppError("unavailable", "no_answer", "The server did not answer.", { cause });
    }
    const location = answer.headers.get("location");
    // Only these two keep the method and the body (RFC 9110).
    if (
      (answer.status !== 307 && answer.status !== 308) ||
      location === null ||
      redirects === MAX_REDIRECTS
    )
      return { status: answer.status, body: await readStart(answer) };
    await answer.body?.cancel();
    url = outgoingUrl(new URL(location, url).href, "url");
  }
}
