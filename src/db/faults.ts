import { DatabaseError, NeonDbError } from "@neondatabase/serverless";
import { AppError, type ErrorKind } from "../lib/errors.ts";

/** SQLSTATE of what the driver threw, or undefined: Neon's own errors carry an empty one. */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof NeonDbError || error instanceof DatabaseError)) return undefined;
  return error.code || undefined;
}

export const isLostRace = (error: unknown) => ["40001", "40P01"].includes(sqlState(error) ?? "");

interface Fault {
  kind: ErrorKind;
  code: string;
  message: string;
  /** Absent: waiting alone does not help. */
  retryAfterSeconds?: number;
}

const AWAY: Fault = {
  kind: "unavailable",
  code: "database_unavailable",
  message: "The database cannot be reached.",
  retryAfterSeconds: 5,
};

const BUSY: Fault = {
  kind: "unavailable",
  code: "database_busy",
  message: "The database has no memory or connection left for this.",
  retryAfterSeconds: 10,
};

const UNSTORABLE: Fault = {
  kind: "unprocessable",
  code: "invalid_text",
  message: "A text holds what the database cannot store: U+0000, or half of a character.",
};

/** By SQLSTATE (PostgreSQL, appendix A), the first that fits. */
const BY_STATE: (Fault & { state: RegExp; detail?: RegExp })[] = [
  {
    state: /^57014$/,
    kind: "timeout",
    code: "database_timeout",
    message: "The database took too long for this. Ask for less, such as a shorter range.",
  },
  {
    state: /^(40001|40P01)$/,
    kind: "unavailable",
    code: "database_contended",
    message: "The same rows were written by others at every attempt.",
    retryAfterSeconds: 1,
  },
  {
    state: /^55P03$/,
    kind: "unavailable",
    code: "database_locked",
    message: "What this needs is locked in the database.",
    retryAfterSeconds: 5,
  },
  {
    state: /^53100$/,
    kind: "full",
    code: "database_full",
    message: "The database has no space left.",
  },
  { ...BUSY, state: /^53/ },
  { ...AWAY, state: /^(08|57P|25006)/ },
  {
    state: /^(28|3D)/,
    kind: "unavailable",
    code: "database_refused",
    message: "The database does not let this instance in.",
  },
  { ...UNSTORABLE, state: /^(22021|22P05)$/ },
  { ...UNSTORABLE, state: /^22P02$/, detail: /surrogate/ },
];

/** Failures that Neon's proxy and the platform say in words only, the first that fits. */
const BY_WORDS: (Fault & { words: RegExp })[] = [
  {
    words: /too many subrequests/i,
    kind: "unprocessable",
    code: "too_many_statements",
    message: "This needs more statements than one request may send. Ask in smaller pieces.",
  },
  {
    words: /HTTP status 507|response is too large/i,
    kind: "unprocessable",
    code: "answer_too_large",
    message: "The answer is larger than the database sends at once. Ask for fewer rows.",
  },
  {
    words: /HTTP status 413|request is too large/i,
    kind: "too_large",
    code: "statement_too_large",
    message: "This is more than the database takes at once. Send it in smaller pieces.",
  },
  {
    words: /quota|limit exceeded|HTTP status 402/i,
    kind: "unavailable",
    code: "database_quota",
    message: "The database's plan allows no more for now.",
  },
  {
    words: /password authentication failed/i,
    kind: "unavailable",
    code: "database_refused",
    message: "The database does not let this instance in.",
  },
];

const saying = ({ kind, code, message, retryAfterSeconds }: Fault, cause: unknown) =>
  new AppError(kind, code, message, {
    cause,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });

/** The database, or the way to it, did not answer within the deadline. */
export const noAnswer = (cause?: unknown) =>
  saying({ ...AWAY, message: "The database did not answer in time." }, cause);

/** The database answers, but no connection that requests use is free. */
export const busyDatabase = (cause: unknown) => saying(BUSY, cause);

/** A session that broke off. */
export const lostSession = (cause: unknown) => saying(AWAY, cause);

/**
 * The error that a caller is told of a failure of the database: the one place that knows. Undefined for what
 * is a fault of the statement.
 * @param error what the driver threw
 */
export function faultOf(error: unknown): AppError | undefined {
  if (!(error instanceof NeonDbError || error instanceof DatabaseError)) return undefined;
  const state = sqlState(error);
  if (state !== undefined) {
    const found = BY_STATE.find(
      (fault) => fault.state.test(state) && (fault.detail?.test(error.detail ?? "") ?? true),
    );
    return found && saying(found, error);
  }
  const words = `${error.message} ${"sourceError" in error ? String(error.sourceError) : ""}`;
  return saying(BY_WORDS.find((fault) => fault.words.test(words)) ?? AWAY, error);
}
