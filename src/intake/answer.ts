import { z } from "@hono/zod-openapi";
import { itemResult } from "./items.ts";

export const MAX_BATCH = 1000;

export const intakeAnswer = z
  .object({
    data: z.object({
      results: z.array(itemResult),
      counts: z.object({
        created: z.int(),
        updated: z.int(),
        duplicate: z.int(),
        conflict: z.int(),
        invalid: z.int(),
      }),
    }),
  })
  .openapi("IntakeAnswer");

/** The answers of an intake route, for its OpenAPI description. */
export function intakeResponses() {
  const of = (description: string) => ({
    description,
    content: { "application/json": { schema: intakeAnswer } },
  });
  return {
    200: of("One object: it was known, and is updated or a duplicate."),
    201: of("One object: created."),
    207: of(
      "A list: one result for each item. NDJSON: counts, and the first 1,000 items not stored.",
    ),
    409: of("One object: it contradicts what is stored, and changed nothing."),
    422: of("One object: it cannot be; `path`, `code` and `detail` of its result say why."),
  };
}

/** The body of an intake route in OpenAPI. It is read in the handler: no validator may take a stream into memory. */
export function intakeBody(schema: string, key: string) {
  const one = { $ref: `#/components/schemas/${schema}` };
  const list = {
    type: "object" as const,
    required: [key],
    properties: { [key]: { type: "array" as const, maxItems: MAX_BATCH, items: one } },
  };
  return {
    required: true,
    content: {
      "application/json": { schema: { oneOf: [one, list] } },
      "application/x-ndjson": {
        schema: {
          type: "string" as const,
          description: `One ${schema} a line, a stream of any length.`,
        },
      },
    },
  };
}
