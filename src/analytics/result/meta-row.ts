import { z } from "zod";

/**
 * The `meta` column of every kernel statement: its snapshot, and the buckets or rows of each
 * source.
 */
export const metaRow = z.object({
  as_of: z.string(),
  complete_until: z.string(),
  daily: z.number(),
  hourly: z.number(),
  raw: z.number(),
  groups: z.number().optional(),
  marked_days: z.array(z.string()).default([]),
  marked_hours: z.array(z.string()).default([]),
  marked_minutes: z.array(z.string()).default([]),
  first_minute: z.string().optional(),
  days_without_quarters: z.array(z.string()).default([]),
});
export type MetaRow = z.output<typeof metaRow>;
