import type { Context, Hono } from "hono";
import { problemResponse } from "./errors.ts";
import type { AppEnv } from "./router.ts";

/** Answers 405 with `Allow` for a method that an existing path does not have. */
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
          detail: `This path allows: ${allow}.`,
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
    detail: "This route does not exist.",
    code: "route_not_found",
  });
}
