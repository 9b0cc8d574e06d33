import { z } from "@hono/zod-openapi";
import { documentInput, idInput, textInput, timeInput } from "../../http/fields.ts";
import { decimalText, type ExactNumber, isExactNumber } from "../../lib/exact-number.ts";
import { EXECUTION_STATUSES } from "../../store/execution.ts";

export const MAX_COUNT = 1_000_000_000_000;

const id = idInput;
const encoder = new TextEncoder();
/**
 * All labels of a run and its agent's id together are the key of a row of the daily rollup: an entry of PostgreSQL's index has
 * room for 2,704 bytes.
 */
const label = (max: number) =>
  textInput(max)
    .min(1)
    .refine(
      (text) => encoder.encode(text).byteLength <= 2 * max,
      `must be at most ${2 * max} bytes of UTF-8`,
    );
const time = timeInput;
const count = z.number().int().min(0).max(MAX_COUNT);
/** Zeros at the end say nothing, however many there are. */
const DECIMAL = /^\d{1,13}(\.\d{1,6}0*)?$/;
/** Credits as the text that is stored: what a number says in digits, or the text itself; undefined for more than can be kept. */
export function creditsText(value: unknown): string | undefined {
  const text = typeof value === "number" || isExactNumber(value) ? decimalText(value) : value;
  return typeof text === "string" && DECIMAL.test(text) ? text : undefined;
}
const decimal = z
  .custom<number | string | ExactNumber>((value) => creditsText(value) !== undefined, {
    error: "must be a number or a text of at most 13 digits and 6 decimals",
  })
  .openapi({
    type: ["number", "string"],
    minimum: 0,
    description: "A number or a decimal string; 6 decimals are kept, and more are refused.",
    example: "0.125000",
  });

const optional = {
  ended_at: time.nullish(),
  duration_ms: count.nullish(),
  credits: decimal.nullish(),
  tokens_in: count.nullish(),
  tokens_out: count.nullish(),
  model: label(256).nullish(),
  parent_execution_id: id.nullish(),
  environment: label(128).nullish(),
  version: label(128).nullish(),
  error: z.strictObject({ type: label(256), message: textInput(8192).nullish() }).nullish(),
  metadata: documentInput.nullish(),
};

export const executionInput = z
  .strictObject({
    id: id.optional(),
    agent_id: id,
    user_id: id.nullish().openapi({ description: "Absent: a machine's run, of no user." }),
    status: z.enum(EXECUTION_STATUSES),
    started_at: time.optional(),
    ...optional,
    revision: z.number().int().min(0).max(1_000_000_000).optional(),
  })
  .openapi("ExecutionInput");
export type ExecutionInput = z.output<typeof executionInput>;

export const executionPatch = z
  .strictObject({
    agent_id: id.optional(),
    user_id: id.nullish(),
    status: z.enum(EXECUTION_STATUSES).optional(),
    started_at: time.optional(),
    ...optional,
  })
  .openapi("ExecutionPatch");
