import { z } from "zod";

/** Each cache: how long a value is fresh, how long it is used while it is refreshed, its schema. */
export const CACHE_NAMES = {
  /** An answer's JSON text, without the fields of `meta` that change with its age. */
  answer: { freshSeconds: 5, staleSeconds: 30, value: z.object({ body: z.string() }) },
} as const;
export type CacheName = keyof typeof CACHE_NAMES;

export const epochKey = (workspaceId: string) => `epoch:${workspaceId}`;
