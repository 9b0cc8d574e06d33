import type { MiddlewareHandler } from "hono";
import { getPath } from "hono/utils/url";
import { malformed } from "../lib/errors.ts";
import type { AppEnv } from "./router.ts";

/**
 * Ids of callers in paths. Percent-encoded, almost every id can stand there; `.` and `..` cannot, for every parser of URLs takes
 * such segments away (also as `%2e`), a word of a route (`activity`) means the route, and some proxies decode `%2F`. Each id can
 * be given as the query's `id`, with `_` in its place: `/users/_/timeline?id=..`.
 */
const PLACE = "_";

/** Every byte escaped: no word of a route, and nothing that a path would lose. */
const escaped = (id: string) =>
  [...new TextEncoder().encode(id)]
    .map((byte) => `%${byte.toString(16).padStart(2, "0")}`)
    .join("");

/** The URL with an `id` in its query for the segment `_` of its path, or undefined. */
function placed(request: Request): { url: URL; id: string } | undefined {
  if (!request.url.includes(`/${PLACE}`) || !request.url.includes("id=")) return undefined;
  const url = new URL(request.url);
  const [id, ...others] = url.searchParams.getAll("id");
  return id === undefined || others.length > 0 || !url.pathname.split("/").includes(PLACE)
    ? undefined
    : { url, id };
}

/** The path that the router reads. */
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

/** Takes the `id` out of the query once the router has put it into the path, and refuses what is no percent-encoded UTF-8. */
export function pathIds(): MiddlewareHandler<AppEnv> {
  return async function pathIds(c, next) {
    const { url } = c.req.raw;
    if (url.includes("%") && !isEncoded(url))
      throw malformed(
        "url",
        "invalid_encoding",
        "The URL has a percent sign that encodes no UTF-8.",
      );
    const given = placed(c.req.raw);
    if (given) {
      given.url.searchParams.delete("id");
      c.req.raw = new Request(given.url, c.req.raw);
    }
    await next();
  };
}

/** A path with an id of a caller, as links in answers have it. @param collection such as `/users` */
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
