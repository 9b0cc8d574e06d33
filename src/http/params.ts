import { z } from "@hono/zod-openapi";
import { impossible } from "../lib/errors.ts";
import { ID_PATTERN } from "../lib/ids.ts";
import { formatInstant, parseInstant } from "../lib/time.ts";

/** Query parameters that several routes share. */
export const idParam = z.string().regex(ID_PATTERN);
export const workspaceParam = { workspace_id: idParam.optional().openapi({ description: "Default: the token's workspace." }) };

const FIRST = 0;
const LAST = Date.UTC(2200, 0, 1) * 1000;

export const instantParam = z
  .string()
  .transform((text, issue) => {
    // A plus sign that was not escaped arrives as a space.
    const at = parseInstant(text.replace(/ (\d\d:\d\d)$/, "+$1"));
    if (at !== undefined && at >= FIRST && at <= LAST) return at;
    issue.addIssue({
      code: "custom",
      message: at === undefined ? "must be an RFC 3339 time with an offset" : "must be between 1970 and 2200",
    });
    return z.NEVER;
  })
  .openapi({ type: "string", format: "date-time", example: "2026-03-01T00:00:00Z" });

export const flagParam = z.enum(["true", "false"]).transform((value) => value === "true");
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max });

export const pageParams = {
  limit: whole(1, 1000).optional().openapi({ description: "Default 100." }),
  cursor: z.string().max(1024).optional(),
  skip: whole(0, 10_000).optional(),
  include_total: flagParam.optional(),
};
export const DEFAULT_LIMIT = 100;

export const page = z
  .object({ limit: z.int(), next_cursor: z.string().nullable(), has_more: z.boolean(), total: z.int().optional() })
  .openapi("Page");

/** A keyset position as an opaque text. */
export function encodeCursor(position: readonly string[]): string {
  const bytes = new TextEncoder().encode(JSON.stringify(position));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** The moment of a keyset position. @throws AppError impossible for one that no list has given */
export function cursorInstant(text: string): string {
  const at = parseInstant(text);
  if (at === undefined || at < FIRST || at > LAST)
    throw impossible("query.cursor", "invalid_cursor", "This cursor was not given by this list.");
  return formatInstant(at);
}

/** @throws AppError impossible for a text that no list has given */
export function decodeCursor(cursor: string, length: number): string[] {
  try {
    const bytes = Uint8Array.from(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const position: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes));
    if (
      Array.isArray(position) &&
      position.length === length &&
      position.every((item) => typeof item === "string" && !item.includes("\0") && item.isWellFormed())
    )
      return position;
  } catch {
    // Falls through: whatever is wrong with it, it is not ours.
  }
  throw impossible("query.cursor", "invalid_cursor", "This cursor was not given by this list.");
}
