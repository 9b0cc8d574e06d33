import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import type { Context } from "../context.ts";
import { AppError, type FieldError } from "../lib/errors.ts";

export interface AppEnv {
  Bindings: Env;
  Variables: { ctx: Context; requestId: string; workspaceId: string };
}

export type Router = OpenAPIHono<AppEnv>;

/** A validated part of the request, for handlers whose types do not know the route. */
export function validated<T>(c: HonoContext<AppEnv>, target: "query" | "param"): T {
  return (c.req.valid as (target: string) => T)(target);
}

/** A response that `c.json` did not make; the types of routes know no other. */
export function plainResponse(response: Response) {
  return response as never;
}

/** A router whose failed validations become one malformed (400) error with every path. */
export function createRouter(options: { getPath?: (request: Request) => string } = {}): Router {
  return new OpenAPIHono<AppEnv>({
    ...options,
    defaultHook: (result) => {
      if (result.success) return;
      const errors = result.error.issues.flatMap((issue): FieldError[] => {
        const path = [result.target, ...issue.path].join(".");
        if (issue.code !== "unrecognized_keys")
          return [{ path, code: issue.code, message: issue.message }];
        const kind = result.target === "query" ? "parameter" : "field";
        return issue.keys.map((key) => ({
          path: `${path}.${key}`,
          code: "unknown_field",
          message: `Unknown ${kind} "${key}".`,
        }));
      });
      throw new AppError(
        "malformed",
        "invalid_request",
        errors[0]?.message ?? "The request is malformed.",
        { errors },
      );
    },
  });
}
