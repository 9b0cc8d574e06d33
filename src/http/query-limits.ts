import type { MiddlewareHandler } from "hono";
import { checkWork } from "../lib/budget.ts";
import type { AppEnv } from "./router.ts";

/** Refuses a query string that is too long or has too many parameters, before it is parsed. */
export function limitQuery(): MiddlewareHandler<AppEnv> {
  return async function limitQuery(c, next) {
    const begin = c.req.url.indexOf("?");
    if (begin >= 0) {
      const query = c.req.url.slice(begin + 1);
      checkWork("queryChars", query.length, "query");
      checkWork("parameters", query.split("&").length, "query");
    }
    await next();
  };
}
