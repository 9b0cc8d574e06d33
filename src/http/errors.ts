import { z } from "@hono/zod-openapi";
import type { Context as HonoContext } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { AppError, type ErrorKind } from "../lib/errors.ts";
import type { AppEnv } from "./router.ts";

const KINDS: Record<ErrorKind, { status: ContentfulStatusCode; title: string }> = {
  malformed: { status: 400, title: "Bad request" },
  unauthenticated: { status: 401, title: "Unauthorized" },
  forbidden: { status: 403, title: "Forbidden" },
  not_found: { status: 404, title: "Not found" },
  conflict: { status: 409, title: "Conflict" },
  gone: { status: 410, title: "Gone" },
  too_large: { status: 413, title: "Content too large" },
  range_not_satisfiable: { status: 416, title: "Range not satisfiable" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  unprocessable: { status: 422, title: "Unprocessable content" },
  rate_limited: { status: 429, title: "Too many requests" },
  unavailable: { status: 503, title: "Service unavailable" },
  timeout: { status: 504, title: "Gateway timeout" },
  full: { status: 507, title: "Insufficient storage" },
};

export const problemShape = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    request_id: z.string(),
    errors: z
      .array(
        z.object({
          path: z.string(),
          code: z.string(),
          message: z.string(),
          amount: z
            .number()
            .optional()
            .openapi({ description: "The amount of work that exceeds the limit." }),
          limit: z.number().optional(),
        }),
      )
      .optional(),
  })
  .openapi("Problem");

const ANYWHERE: ErrorKind[] = ["unauthenticated", "forbidden", "unavailable", "timeout", "full"];

/** The error answers of a route, for its OpenAPI description. */
export function problemResponses(...kinds: ErrorKind[]) {
  const all: ErrorKind[] = [...ANYWHERE, ...kinds];
  const content = { "application/problem+json": { schema: problemShape } };
  return Object.fromEntries(
    all.map((kind) => [KINDS[kind].status, { description: KINDS[kind].title, content }]),
  );
}

export interface ProblemDetails {
  status: ContentfulStatusCode;
  title: string;
  detail: string;
  code: string;
  errors?: unknown[];
}

/** RFC 9457. */
export function problemResponse(
  requestId: string,
  { status, title, detail, code, errors }: ProblemDetails,
  headers: Record<string, string> = {},
): Response {
  const body = {
    type: "about:blank",
    title,
    status,
    detail,
    code,
    request_id: requestId,
    ...(errors?.length ? { errors } : {}),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

/** Renders everything that is thrown. An unknown failure goes to the log and reveals nothing. */
export function renderError(error: unknown, c: HonoContext<AppEnv>): Response {
  const requestId = c.get("requestId") ?? "";
  if (error instanceof AppError) {
    const { status, title } = KINDS[error.kind];
    if (status >= 500) c.get("ctx")?.log.error("unavailable", error.cause ?? error);
    const headers: Record<string, string> =
      error.retryAfterSeconds === undefined
        ? {}
        : { "retry-after": String(error.retryAfterSeconds) };
    if (status === 401) headers["www-authenticate"] = "Bearer";
    return problemResponse(
      requestId,
      { status, title, detail: error.message, code: error.code, errors: error.errors },
      headers,
    );
  }
  if (error instanceof HTTPException && error.status < 500) {
    const kind =
      (Object.keys(KINDS) as ErrorKind[]).find((name) => KINDS[name].status === error.status) ??
      "malformed";
    const code = kind === "unsupported_media_type" ? "media_type" : kind;
    return problemResponse(requestId, {
      ...KINDS[kind],
      status: error.status as ContentfulStatusCode,
      detail: error.message,
      code,
      // The framework itself refuses only bodies.
      errors: kind === "malformed" ? [{ path: "json", code, message: error.message }] : [],
    });
  }
  const log = c.get("ctx")?.log;
  if (log) log.error("unhandled", error);
  else
    console.error(
      JSON.stringify({
        level: "error",
        event: "unhandled",
        request_id: requestId,
        message: String(error),
      }),
    );
  return problemResponse(requestId, {
    status: 500,
    title: "Internal server error",
    detail: "Internal error",
    code: "internal_error",
  });
}
