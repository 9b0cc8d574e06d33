/** The kind of a failure, in words that do not know HTTP; http/errors.ts gives each kind its status. */
export type ErrorKind =
  | "malformed"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "gone"
  | "too_large"
  | "range_not_satisfiable"
  | "unsupported_media_type"
  | "unprocessable"
  | "rate_limited"
  | "unavailable"
  | "timeout"
  | "full";

export interface FieldError {
  /** Where in the input, e.g. `executions.3.ended_at` or `query.limit`. */
  path: string;
  code: string;
  message: string;
  /** Of work that is refused: how much it would have been, and how much may be. */
  amount?: number;
  limit?: number;
}

/**
 * A failure that its caller may be told about. Anything else that is thrown is answered as an
 * unknown failure.
 */
export class AppError extends Error {
  readonly kind: ErrorKind;
  /** Stable, snake_case: callers branch on it. */
  readonly code: string;
  readonly errors: FieldError[];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    kind: ErrorKind,
    code: string,
    detail: string,
    more: { errors?: FieldError[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(detail, { cause: more.cause });
    this.name = "AppError";
    this.kind = kind;
    this.code = code;
    this.errors = more.errors ?? [];
    this.retryAfterSeconds = more.retryAfterSeconds;
  }
}

/** 422 for one field: understood, but it cannot be. */
export function unprocessable(path: string, code: string, message: string): AppError {
  return new AppError("unprocessable", code, message, { errors: [{ path, code, message }] });
}

/** 400 for one part of a request. */
export function malformed(path: string, code: string, message: string): AppError {
  return new AppError("malformed", code, message, { errors: [{ path, code, message }] });
}

export function notFound(what: string): AppError {
  return new AppError("not_found", "not_found", `There is no such ${what} in this workspace.`);
}
