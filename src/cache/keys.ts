import { z } from "zod";

/** Every cache: how long an answer is fresh, how long it may be given while a new one is made, and what it is. */
export const CACHE_NAMES = {
  /** An answer's JSON text, without the fields of `meta` that change with its age. */
  answer: { freshSeconds: 5, staleSeconds: 30, value: z.object({ body: z.string() }) },
} as const;
export type CacheName = keyof typeof CACHE_NAMES;

export const epochKey = (workspaceId: string) => `epoch:${workspaceId}`;
