import { AppError } from "./errors.ts";

/**
 * The outcome of `work`, or `late()` as a failure when it takes longer. The work itself is left
 * alone: what comes of it then, nobody hears.
 * @param limitMs milliseconds
 */
export async function settleWithin<T>(
  limitMs: number,
  work: PromiseLike<T>,
  late: () => Error,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

const noAnswer = (what: string) => () =>
  new AppError("unavailable", "no_answer", `${what} did not answer in time.`, {
    retryAfterSeconds: 5,
  });

/**
 * One call to a part of the platform.
 * @throws AppError unavailable after the deadline (milliseconds)
 */
export const answerWithin = <T>(what: string, limitMs: number, work: PromiseLike<T>): Promise<T> =>
  settleWithin(limitMs, work, noAnswer(what));

/** Bindings belong to the isolate, and so does what stands before them. */
const guarded = new WeakMap<object, object>();

/**
 * A binding whose every call has a deadline (milliseconds); what a call gives, such as a stream,
 * has none of it. A binding has one deadline, that of its first caller.
 */
export function withDeadlines<T extends object>(binding: T, what: string, limitMs: number): T {
  const known = guarded.get(binding) as T | undefined;
  if (known) return known;
  const made = guardedBinding(binding, what, limitMs);
  guarded.set(binding, made);
  return made;
}

function guardedBinding<T extends object>(binding: T, what: string, limitMs: number): T {
  return new Proxy(binding, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const outcome: unknown = Reflect.apply(value, target, args);
        return outcome instanceof Promise ? answerWithin(what, limitMs, outcome) : outcome;
      };
    },
  });
}
