import type { MiddlewareHandler } from "hono";
import { createContext } from "../context.ts";
import { createLog } from "../lib/log.ts";
import { drainBody } from "./drain.ts";
import type { AppEnv } from "./router.ts";

const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

const SECURITY_HEADERS: [string, string][] = [
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["strict-transport-security", "max-age=31536000; includeSubDomains"],
];

/**
 * Gives each request its id, log and context, and each answer the id, the security headers and
 * `Cache-Control: no-store` unless it says otherwise.
 */
export function withContext(): MiddlewareHandler<AppEnv> {
  return async function withContext(c, next) {
    const given = c.req.header("x-request-id");
    const requestId = given && REQUEST_ID.test(given) ? given : crypto.randomUUID();
    const traceparent = c.req.header("traceparent");
    const trace =
      traceparent && TRACEPARENT.test(traceparent) ? { trace_id: traceparent.slice(3, 35) } : {};
    c.set("requestId", requestId);
    c.set(
      "ctx",
      createContext(
        c.env,
        c.executionCtx,
        { kind: "anonymous" },
        createLog({ request_id: requestId, ...trace }),
      ),
    );
    await next();
    await drainBody(c.req.raw);
    // The headers of an upgrade cannot be changed.
    if (c.res.status === 101) return;
    c.res.headers.set("x-request-id", requestId);
    for (const [name, value] of SECURITY_HEADERS) c.res.headers.set(name, value);
    // Answers belong to one workspace, and some carry a secret.
    if (!c.res.headers.has("cache-control"))
      c.res.headers.set("cache-control", "private, no-store");
  };
}

/** Request headers that a browser may send, beside the safelisted ones. */
const ALLOWED_HEADERS = [
  "authorization",
  "cache-control",
  "content-encoding",
  "content-type",
  "idempotency-key",
  "if-none-match",
  "if-range",
  "range",
  "traceparent",
  "x-api-key",
  "x-request-id",
].join(", ");
/** Response headers that a browser's code may read, beside the safelisted ones. */
const EXPOSED_HEADERS = [
  "accept-ranges",
  "allow",
  "content-disposition",
  "content-range",
  "etag",
  "link",
  "location",
  "retry-after",
  "www-authenticate",
  "x-request-id",
].join(", ");

/** CORS for the configured origins; answers preflights. Every answer varies by its origin. */
export function crossOrigin(): MiddlewareHandler<AppEnv> {
  return async function cors(c, next) {
    const origin = c.req.header("origin");
    const allowed = origin !== undefined && c.get("ctx").config.CORS_ORIGINS.includes(origin);
    if (allowed && c.req.method === "OPTIONS" && c.req.header("access-control-request-method")) {
      return new Response(null, {
        status: 204,
        headers: {
          "access-control-allow-origin": origin,
          "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
          "access-control-allow-headers": ALLOWED_HEADERS,
          "access-control-max-age": "86400",
          vary: "origin",
        },
      });
    }
    await next();
    if (c.res.status === 101) return undefined;
    c.res.headers.append("vary", "origin");
    if (!allowed) return undefined;
    c.res.headers.set("access-control-allow-origin", origin);
    c.res.headers.set("access-control-expose-headers", EXPOSED_HEADERS);
    return undefined;
  };
}
