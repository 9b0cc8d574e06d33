import { answerWithin } from "../lib/deadline.ts";
import { AppError } from "../lib/errors.ts";

const LIMIT_MS = 30_000;

/**
 * A call to the file store that a job makes, with its deadline (30 s).
 * @throws AppError unavailable for whatever fails there: the next attempt may do better
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
