import { AppError, unprocessable } from "../lib/errors.ts";
import { cutText } from "../lib/text.ts";

/** The time that another server has to answer. */
const LIMIT_MS = 10_000;
const MAX_REDIRECTS = 3;

const NAMES =
  /^(localhost|.*\.(localhost|local|internal|lan|home|corp|intranet|home\.arpa)|metadata|.*\.metadata\..*)$/i;

/** Networks that are no public server's (IANA special-purpose registries): first address, length of the prefix. */
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

/** Only global unicast (2000::/3) is public; of it, what carries or tunnels an IPv4 address is refused. */
function isPrivateV6(address: string): boolean {
  const [a = 0, b = 0] = groupsOf(address);
  return a < 0x2000 || a > 0x3fff || a === 0x2002 || (a === 0x2001 && (b < 0x200 || b === 0xdb8));
}

/**
 * A URL of somebody else's server: https, the usual port, no user in it, and no private, loopback or metadata address, however
 * it is written. What a name resolves to is the platform's to say: a Worker reaches no private network.
 * @throws AppError unprocessable, with the path
 */
export function outgoingUrl(text: string, path: string): URL {
  const refuse = (message: string) => unprocessable(path, "url_refused", message);
  const url = URL.parse(text);
  if (!url) throw refuse("This is no URL.");
  if (url.protocol !== "https:") throw refuse("Only https is called.");
  if (url.username !== "" || url.password !== "") throw refuse("A URL must not carry a password.");
  if (url.port !== "") throw refuse("Only the port 443 is called.");
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
  /** The begin of what was answered. */
  body: string;
}

const MOST = 500;

/** The begin of an answer; the rest is not read. One that breaks off has said what it said. */
async function beginOf(answer: Response): Promise<string> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    while (reader && text.length < MOST) {
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value as Uint8Array, { stream: true });
    }
  } catch {
    // The status came, and that is what counts.
  }
  await reader?.cancel().catch(() => undefined);
  return cutText(text.replaceAll("\0", ""), MOST);
}

/**
 * POSTs to somebody else's server; every redirect is looked at as the first URL was.
 * @throws AppError unprocessable for a URL that is refused, unavailable when there is no answer in time
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
      return { status: answer.status, body: await beginOf(answer) };
    await answer.body?.cancel();
    url = outgoingUrl(new URL(location, url).href, "url");
  }
}
