import fc from "fast-check";
import { expect, it } from "vitest";
import { plainInput } from "../../../src/features/executions/plain.ts";
import { executionInput } from "../../../src/features/executions/schema.ts";

const ids = fc.constantFrom(
  "a",
  "x".repeat(256),
  "x".repeat(257),
  "",
  "a space",
  "ä".repeat(128),
  "ä".repeat(129),
  "tab\t",
  "\ud800",
  "a:b_c.d-e",
);
const counts = fc.constantFrom(
  0,
  7,
  -1,
  1.5,
  1e12,
  1e12 + 1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  "7",
  null,
  undefined,
  true,
  [],
);
const texts = fc.constantFrom(
  "m",
  "",
  "x".repeat(128),
  "x".repeat(257),
  "a\0b",
  "\ud800",
  "ü 😀",
  5,
  null,
  undefined,
);
const values: Record<string, fc.Arbitrary<unknown>> = {
  ...{
    id: ids,
    agent_id: ids,
    user_id: ids,
    status: fc.constantFrom(
      "running",
      "success",
      "failure",
      "timeout",
      "cancelled",
      "completed",
      "",
      1,
    ),
  },
  ...{
    started_at: fc.constantFrom("2026-01-01T00:00:00Z", "x", 5),
    ended_at: fc.constantFrom("2026-01-01T00:00:00Z", null, undefined, 5),
  },
  ...{
    duration_ms: counts,
    tokens_in: counts,
    tokens_out: counts,
    revision: counts,
    credits: fc.oneof(
      counts,
      fc.constantFrom("1", "1.123456", "1.1234567", "-1", "1e3", "", "1234567890123"),
    ),
  },
  ...{
    model: texts,
    environment: texts,
    version: texts,
    parent_execution_id: fc.oneof(ids, fc.constantFrom(null, undefined)),
  },
  ...{
    error: fc.constantFrom(null, undefined, { type: "E" }, { type: "E", kind: 1 }, "E"),
    metadata: fc.oneof(
      fc.constantFrom(null, undefined, [], "x", 5),
      fc.dictionary(fc.string(), fc.jsonValue()),
    ),
  },
  colour: fc.constantFrom("red"),
};

it("takes nothing that the schema refuses, and changes nothing that it takes", () => {
  let plain = 0;
  const required = {
    agent_id: fc.constant("a"),
    user_id: fc.constant("u"),
    status: fc.constant("success"),
  };
  const items = fc.oneof(
    fc.record(values, { requiredKeys: [] }),
    fc.record(
      { ...values, ...required, colour: fc.constant(undefined) },
      { requiredKeys: ["agent_id", "user_id", "status"] },
    ),
    fc
      .tuple(fc.constantFrom(...Object.keys(values)), fc.infiniteStream(fc.nat()))
      .chain(([key]) => fc.record({ ...required, [key]: values[key] ?? fc.constant(1) })),
    fc.anything(),
  );
  fc.assert(
    fc.property(items, (item) => {
      const taken = plainInput(item);
      if (taken === undefined) return;
      plain++;
      const parsed = executionInput.safeParse(item);
      expect([parsed.success, parsed.error?.issues[0]?.path]).toEqual([true, undefined]);
      expect(taken).toEqual(parsed.data);
    }),
    { numRuns: 5000 },
  );
  expect(plain).toBeGreaterThan(200);
});
