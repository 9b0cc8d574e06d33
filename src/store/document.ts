import { z } from "@hono/zod-openapi";
import { isExactNumber } from "../lib/exact-number.ts";

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isExactNumber(value);

/** A free JSON object, unchanged: Zod's record would drop a member called __proto__. */
export const documentOutput = z.custom<Record<string, unknown>>(isObject).openapi({
  type: "object",
  additionalProperties: true,
});
