import { z } from "zod";

const pieceSource = z.enum(["day", "quarter", "hour", "minute", "raw"]);

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
  /** Which ranges each source answered, where that is asked for. */
  pieces: z.partialRecord(pieceSource, z.array(z.tuple([z.string(), z.string()]))).default({}),
});
export type MetaRow = z.output<typeof metaRow>;
