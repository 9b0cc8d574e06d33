import type { Context, Hono } from "hono";
import { problemResponse } from "./errors.ts";
import type { AppEnv } from "./router.ts";

/** For every path that exists, a method that it does not have is answered 405 with `Allow`. */
export function allowOnly(app: Hono<AppEnv>): void {
  const methods = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === "ALL") continue;
    const known = methods.get(path) ?? new Set();
    methods.set(path, known.add(method));
  }
  for (const [path, allowed] of methods) {
    const allow = [...allowed, ...(allowed.has("GET") ? ["HEAD"] : [])].sort().join(", ");
    app.all(path, (c) =>
      problemResponse(
        c.get("requestId"),
        {
          status: 405,
          title: "Method not allowed",
          detail: `This path has: ${allow}.`,
          code: "method_not_allowed",
        },
        { allow },
      ),
    );
  }
}

export function notFoundAnswer(c: Context<AppEnv>): Response {
  return problemResponse(c.get("requestId"), {
    status: 404,
    title: "Not found",
    detail: "There is no such route.",
    code: "route_not_found",
  });
}
