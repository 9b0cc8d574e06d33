import { answerWithin } from "../lib/deadline.ts";
import { AppError } from "../lib/errors.ts";

const LIMIT_MS = 30_000;

/**
 * Waits for a call of a job to the file store, at most 30 s.
 * @throws AppError unavailable for every failure: the next attempt may succeed
 */
export async function storedObject<T>(work: PromiseLike<T>): Promise<T> {
  try {
    return await answerWithin("The file store", LIMIT_MS, work);
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError("unavailable", "storage_unavailable", "The file store has failed.", {
      cause,
      retryAfterSeconds: 5,
    });
  }
}
