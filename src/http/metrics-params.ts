import { z } from "@hono/zod-openapi";
import { OPERATORS } from "../analytics/catalog/dimensions.ts";
import { MEASURE_NAMES } from "../analytics/catalog/measures.ts";
import { checkedTimezone, type Query } from "../analytics/query.ts";
import type { MeasureValues } from "../analytics/result/rows.ts";
import { GRANULARITIES, TIMEFRAMES, type Timeframe } from "../analytics/time/range.ts";
import type { Context } from "../context.ts";
import { type ExactNumber, isExactNumber } from "../lib/exact-number.ts";
import { splitFieldList } from "../lib/key-path.ts";
import { zoneIn } from "../store/workspaces.ts";
import { textInput } from "./fields.ts";
import { callerIdParam, flagParam, instantParam, workspaceParam } from "./params.ts";

export const measureParam = z.enum(MEASURE_NAMES);
export const timeframeParam = z.enum(Object.keys(TIMEFRAMES) as [Timeframe, ...Timeframe[]]);
export const granularityParam = z.enum(GRANULARITIES);
export const compareParam = z.enum(["previous_period", "previous_year"]);
export const timezoneParam = z.string().max(64).openapi({
  example: "Asia/Kolkata",
  description: "Any name of the IANA database. Default: the workspace's, else UTC.",
});
export const measureList = z
  .string()
  .max(1024)
  .transform((text) => text.split(","))
  .pipe(z.array(measureParam).min(1).max(MEASURE_NAMES.length))
  .openapi({ type: "string", example: "executions,success_rate" });
/** A dimension, or the path of a value of metadata (src/lib/key-path.ts). */
export const fieldName = textInput(1024).min(1);
export const fieldList = z
  .string()
  .max(4096)
  .transform(splitFieldList)
  .pipe(z.array(fieldName).min(1).max(4))
  .openapi({ type: "string", example: "agent" });
export const MAX_GROUPS = 1000;

/** Equality filters as query parameters, and the dimension of each. */
export const FILTER_DIMENSIONS = {
  agent_id: "agent",
  user_id: "user",
  status: "status",
  model: "model",
  environment: "environment",
  version: "version",
  error_type: "error_type",
} as const;
export const filterParams = {
  agent_id: callerIdParam.optional(),
  user_id: callerIdParam.optional(),
  status: z.enum(["running", "success", "failure", "timeout", "cancelled"]).optional(),
  model: textInput(256).optional(),
  environment: textInput(128).optional(),
  version: textInput(128).optional(),
  error_type: textInput(256).optional(),
};
/** A range in a zone: the parameters of every question about a whole workspace. */
export const rangeParams = {
  ...workspaceParam,
  timeframe: timeframeParam
    .optional()
    .openapi({ description: "A range that ends now; instead of from and to." }),
  from: instantParam.optional(),
  to: instantParam.optional(),
  timezone: timezoneParam.optional(),
  explain: flagParam.optional().openapi({
    description: "Adds the plan to meta: the pieces of the range and which table answers each.",
  }),
};
export const rangeAndFilterParams = { ...rangeParams, ...filterParams };

/** An operand of a filter. */
const scalar = z.union([
  textInput(1024),
  z.number(),
  z.boolean(),
  z.custom<ExactNumber>(isExactNumber).openapi({ type: "number" }),
]);
/** A condition on a field, as a body gives it. */
export const filterShape = z.strictObject({
  field: fieldName,
  op: z.enum(OPERATORS),
  value: z.union([scalar, z.array(scalar).min(1).max(1000)]),
});
export const groupBy = z.array(fieldName).min(1).max(4);
export const orderBy = z
  .array(
    z.strictObject({ measure: measureParam, direction: z.enum(["asc", "desc"]).default("desc") }),
  )
  .min(1)
  .max(4);
export const measureValue = z.union([z.number(), z.string(), z.null()]);
type BucketValues = { bucket: string; complete: boolean } & MeasureValues;
export const measureValues = z.record(z.string(), measureValue).openapi("MeasureValues");
/**
 * Measures of a bucket; `complete`: it has ended, and the range contains all of it. A catch-all
 * type would apply to `complete` too, hence the cast.
 */
export const bucketValues = z
  .object({ bucket: z.string(), complete: z.boolean() })
  .catchall(measureValue)
  .openapi("BucketValues") as unknown as z.ZodType<BucketValues, BucketValues>;
export const measureChanges = z
  .record(
    z.string(),
    z.object({
      previous: measureValue,
      change: measureValue,
      change_ratio: z.number().nullable(),
      direction: z.enum(["up", "down", "flat"]).nullable(),
    }),
  )
  .openapi("MeasureChanges");
export const metaShape = z
  .object({
    from: z.string(),
    to: z.string(),
    timezone: z.string(),
    as_of: z.string().openapi({ description: "The moment for which the answer is true." }),
    complete_until: z
      .string()
      .openapi({ description: "Before it no run was open and nothing waited." }),
    sources: z.object({
      daily: z.object({ buckets: z.int() }),
      hourly: z.object({ buckets: z.int() }),
      raw: z.object({ rows: z.int() }),
    }),
    exact: z.boolean(),
    relative_error: z.number(),
    relative_errors: z.record(z.string(), z.number()).optional(),
    complete: z.literal(false).optional().openapi({
      description: "Present until the range has ended: its numbers may still grow.",
    }),
    compared: z
      .object({
        from: z.string(),
        to: z.string(),
        elapsed: z
          .literal(true)
          .optional()
          .openapi({
            description:
              "The range has not ended: it is compared with the same elapsed part of the period " +
              "before, up to the same local day and time (a range that begins or ends within a day: " +
              "of the same duration).",
          }),
      })
      .optional(),
    plan: z.record(z.string(), z.unknown()).optional(),
    cached: z.boolean(),
    age_ms: z.number(),
  })
  .openapi("Meta");

export type RangeAndFilters = z.output<z.ZodObject<typeof rangeAndFilterParams>>;

/** The range of a request, or `otherwise` if it names none. */
export function rangeOrDefault(
  { timeframe, from, to }: Pick<Partial<RangeAndFilters>, "timeframe" | "from" | "to">,
  otherwise: Timeframe,
): Pick<Query, "timeframe" | "from" | "to"> {
  const none = timeframe === undefined && from === undefined && to === undefined;
  return none ? { timeframe: otherwise } : { timeframe, from, to };
}

/** A question whose zone is known. */
export type WithTimezone<T> = "timezone" extends keyof T
  ? Omit<T, "timezone"> & { timezone: string }
  : T;

/**
 * Fills in the zone: the given one, else the workspace's, else UTC. The cache's key has the
 * question as it was asked: a change of the setting invalidates the workspace's answers, as data
 * does.
 */
export async function withTimezone<T extends { timezone?: string | undefined }>(
  ctx: Context,
  workspaceId: string,
  asked: T,
): Promise<Omit<T, "timezone"> & { timezone: string }> {
  return { ...asked, timezone: await zoneIn(ctx, workspaceId, asked.timezone) };
}

/**
 * The part of a query that all questions read from parameters.
 * @param otherwise the timeframe of a request that names no range
 */
export function queryOfParams(
  given: Partial<RangeAndFilters> & { timezone: string },
  otherwise?: Timeframe,
): Omit<Query, "measures"> {
  const { timeframe, from, to, timezone, ...rest } = given;
  const filters = Object.entries(FILTER_DIMENSIONS).flatMap(([name, field]) => {
    const wanted = rest[name as keyof typeof FILTER_DIMENSIONS];
    return wanted === undefined ? [] : [{ field, op: "eq" as const, value: wanted }];
  });
  return {
    ...(otherwise ? rangeOrDefault(given, otherwise) : { timeframe, from, to }),
    timezone: checkedTimezone(timezone),
    filters,
  };
}
