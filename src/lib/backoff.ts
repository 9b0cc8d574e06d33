/**
 * Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015), in
 * the unit of `base`.
 */
export function backoff(attempt: number, base: number, cap: number): number {
  return Math.random() * Math.min(cap, base * 2 ** attempt);
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
