export interface Log {
  info(event: string, fields?: Record<string, unknown>): void;
  error(event: string, cause: unknown, fields?: Record<string, unknown>): void;
}

/**
 * One JSON object a line. `base` (request id, task name …) is on every line. Never pass a token or
 * a secret.
 */
export function createLog(base: Record<string, unknown> = {}): Log {
  const write = (level: string, event: string, fields: Record<string, unknown>) =>
    JSON.stringify({ level, event, ...base, ...fields });
  return {
    info: (event, fields = {}) => console.log(write("info", event, fields)),
    error: (event, cause, fields = {}) =>
      console.error(write("error", event, { ...fields, ...describe(cause) })),
  };
}

function describe(cause: unknown): Record<string, unknown> {
  if (!(cause instanceof Error)) return { message: String(cause) };
  return {
    message: cause.message,
    stack: cause.stack,
    ...("code" in cause ? { code: cause.code } : {}),
    ...(cause.cause instanceof Error ? { cause: describe(cause.cause) } : {}),
  };
}
