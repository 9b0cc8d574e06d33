import type { MiddlewareHandler } from "hono";
import { getPath } from "hono/utils/url";
import { malformed } from "../lib/errors.ts";
import type { AppEnv } from "./router.ts";

/**
 * The segment of a path whose id is the query's `id`: `/users/_/timeline?id=..`. Some ids cannot
 * stand in a path: URL parsers remove `.` and `..` (also as `%2e`), a word of a route (`activity`)
 * means the route, and some proxies decode `%2F`.
 */
const PLACE = "_";

/** The id with every byte escaped: never a word of a route, nor a segment that a parser removes. */
const escaped = (id: string) =>
  [...new TextEncoder().encode(id)]
    .map((byte) => `%${byte.toString(16).padStart(2, "0")}`)
    .join("");

/** The URL and the `id` of its query if its path has the segment `_`. */
function placed(request: Request): { url: URL; id: string } | undefined {
  if (!request.url.includes(`/${PLACE}`) || !request.url.includes("id=")) return undefined;
  const url = new URL(request.url);
  const [id, ...others] = url.searchParams.getAll("id");
  return id === undefined || others.length > 0 || !url.pathname.split("/").includes(PLACE)
    ? undefined
    : { url, id };
}

/** The path for the router. */
export function routedPath(request: Request): string {
  const given = placed(request);
  if (!given) return getPath(request);
  const segments = given.url.pathname.split("/");
  segments[segments.indexOf(PLACE)] = escaped(given.id);
  return segments.join("/");
}

const isEncoded = (text: string) => {
  try {
    return decodeURIComponent(text) !== undefined;
  } catch {
    return false;
  }
};

/**
 * Removes the `id` from the query once the router has put it into the path.
 * @throws AppError malformed for a URL that is not percent-encoded UTF-8
 */
export function pathIds(): MiddlewareHandler<AppEnv> {
  return async function pathIds(c, next) {
    const { url } = c.req.raw;
    if (url.includes("%") && !isEncoded(url))
      throw malformed("url", "invalid_encoding", "The URL is not percent-encoded UTF-8.");
    const given = placed(c.req.raw);
    if (given) {
      given.url.searchParams.delete("id");
      c.req.raw = new Request(given.url, c.req.raw);
    }
    await next();
  };
}

/**
 * A path with a caller's id, for links in answers.
 * @param collection such as `/users`
 */
export function pathOf(collection: string, id: string, query: Record<string, string>): string {
  const words: readonly string[] = ROUTE_WORDS[collection] ?? [];
  const placedId = /^\.{1,2}$/.test(id) || words.includes(id) || id === PLACE;
  const search = new URLSearchParams({ ...query, ...(placedId ? { id } : {}) });
  return `/api/v1${collection}/${placedId ? PLACE : encodeURIComponent(id)}?${search}`;
}

/** Words of routes where an id may stand. */
const ROUTE_WORDS: Record<string, readonly string[]> = {
  "/users": ["activity", "cohorts", "retention", "churn"],
};
