import { z } from "@hono/zod-openapi";
import { ID_PATTERN } from "../lib/ids.ts";
import { isAskable, parseInstant } from "../lib/time.ts";
import { idInput } from "./fields.ts";

/** Query parameters that several routes share. */
export const idParam = z.string().regex(ID_PATTERN);
/** The id of an agent, user, execution, event or session in the caller's system. */
export const callerIdParam = idInput;
/** The same as `id` of a path. */
export const callerIdPath = idInput.openapi({
  param: {
    name: "id",
    in: "path",
    description:
      "Percent-encoded. For an id that cannot stand in a path (`.`, `..`, a word of a route, `/` " +
      "behind a proxy that decodes it) use `_` here and the query's `id`.",
  },
});
export const workspaceParam = {
  workspace_id: idParam.optional().openapi({ description: "Default: the token's workspace." }),
};

export const instantParam = z
  .string()
  .transform((text, issue) => {
    // An unescaped plus sign arrives as a space.
    const at = parseInstant(text.replace(/ (\d\d:\d\d)$/, "+$1"));
    if (at !== undefined && isAskable(at)) return at;
    const isTime = at !== undefined;
    const message = isTime
      ? "must be between 1970 and 2200"
      : "must be an RFC 3339 time with an offset";
    issue.addIssue({ code: "custom", message });
    return z.NEVER;
  })
  .openapi({ type: "string", format: "date-time", example: "2026-03-01T00:00:00Z" });

export const flagParam = z.enum(["true", "false"]).transform((value) => value === "true");
export const wholeNumberParam = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max });

export const pageParams = {
  limit: wholeNumberParam(1, 1000).optional().openapi({ description: "Default 100." }),
  cursor: z.string().max(1024).optional(),
  skip: wholeNumberParam(0, 10_000).optional(),
  include_total: flagParam.optional(),
};
export const DEFAULT_LIMIT = 100;

export const pageShape = z
  .object({
    limit: z.int(),
    next_cursor: z.string().nullable(),
    has_more: z.boolean(),
    total: z.int().optional(),
  })
  .openapi("Page");
