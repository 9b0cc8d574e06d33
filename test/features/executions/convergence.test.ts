import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { emptyCounts, storeChecked } from "../../../src/intake/items.ts";
import type { InputLine } from "../../../src/intake/lines.ts";
import { receiveStream } from "../../../src/intake/stream.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

beforeAll(useOwnDatabase);
const WORKSPACE = "convergence";
const STARTED = "2026-10-05T10:20:30.123456Z";

async function send(ctx: ReturnType<typeof testContext>, items: unknown[]) {
  const kind = executionIntake(ctx, WORKSPACE);
  return storeChecked(
    kind,
    items.map((item) => kind.check(item, Date.now(), { id: "", reproducible: false })),
  );
}

const stated = {
  // Its user may be said by any message, and only once.
  user_id: fc.constantFrom("user", null, undefined),
  credits: fc.option(
    fc.integer({ min: 0, max: 5_000_000 }).map((micro) => (micro / 1e6).toFixed(6)),
    { nil: undefined },
  ),
  tokens_in: fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined }),
  model: fc.option(fc.constantFrom("m1", "m2", "m3"), { nil: undefined }),
  error: fc.option(
    fc.record({ type: fc.constantFrom("E1", "E2"), message: fc.constantFrom("x", "y", undefined) }),
    { nil: undefined },
  ),
  metadata: fc.option(
    fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constantFrom("s", "t")),
    ),
    {
      nil: undefined,
    },
  ),
};
const running = fc.record({ status: fc.constant("running"), ...stated });
const final = fc.record({
  status: fc.constantFrom("success", "failure"),
  ended_at: fc.constantFrom("2026-10-05T10:21:00Z", "2026-10-05T11:00:00.5Z"),
  ...stated,
});
/** A start, some updates, at most one end and its repetition, and perhaps the same again in a higher revision. */
const story = fc.record({
  first: fc.array(running, { maxLength: 3 }),
  end: fc.option(final),
  second: fc.array(running, { maxLength: 2 }),
  correction: fc.option(
    fc.record({
      end: final,
      started: fc.constantFrom(STARTED, "2026-09-30T23:59:59Z", "2026-11-02T00:00:00Z"),
    }),
  ),
});

function messagesOf({
  first,
  end,
  second,
  correction,
}: typeof story extends fc.Arbitrary<infer Story> ? Story : never) {
  const base = { agent_id: "agent", started_at: STARTED };
  return [
    { ...base, status: "running" },
    ...first.map((message) => ({ ...base, ...message })),
    { ...base, status: "running", metadata: {} },
    { ...base, status: "running", metadata: {} },
    ...(end
      ? [
          { ...base, ...end },
          { ...base, ...end },
        ]
      : []),
    ...second.map((message) => ({ ...base, ...message })),
    ...(correction
      ? [{ ...base, ...correction.end, started_at: correction.started, revision: 1 }]
      : []),
  ];
}

const COLUMNS = sql.raw(
  "agent_id, user_id, status, started_at, ended_at, duration_ms, credits, tokens_in, model, error_type, error_message, metadata::text, revision, settled, stale",
);

it("an execution has the same row for every order of the messages, one by one and together", async () => {
  const ctx = testContext();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      story,
      fc.array(fc.infiniteStream(fc.nat()), { minLength: 6, maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      async (told, orders, chunk) => {
        run++;
        const messages = messagesOf(told);
        const streams = orders.map((stream, order) => {
          const keyed = messages.map((message) => ({
            key: stream.next().value as number,
            message: { ...message, id: `r${run}-o${order}` },
          }));
          return keyed.sort((a, b) => a.key - b.key).map(({ message }) => message);
        });
        // Each order has an execution of its own; the orders run through the same chunks of different lengths.
        await Promise.all(
          streams.map(async (stream, order) => {
            const size = order === 0 ? stream.length : chunk;
            for (let at = 0; at < stream.length; at += size)
              await send(ctx, stream.slice(at, at + size));
          }),
        );
        const rows = await ctx.db.all({
          sql: sql`select distinct ${COLUMNS} from executions where workspace_id = ${WORKSPACE} and id like ${`r${run}-o%`}`,
          row: z.record(z.string(), z.unknown()),
        });
        expect(rows).toHaveLength(1);
        const count = await ctx.db.maybe({
          sql: sql`select (select count(*) from executions where id like ${`r${run}-o%`}) as rows,
          (select count(*) from execution_keys k join executions e using (workspace_id, started_at, id) where k.id like ${`r${run}-o%`}) as keyed`,
          row: z.object({ rows: z.number(), keyed: z.number() }),
        });
        expect(count).toEqual({ rows: streams.length, keyed: streams.length });
      },
    ),
    { numRuns: 60 },
  );
});

/** The same messages as lines, far enough apart to fall into chunks of their own. */
async function* farApart(items: readonly unknown[]): AsyncGenerator<InputLine> {
  let number = 0;
  for (const item of items) {
    yield { number: ++number, text: JSON.stringify(item) };
    for (let filler = 0; filler < 499; filler++) yield { number: ++number, text: "filler" };
  }
}

it("an execution has the same row for every order inside one request, also of ends that do not say when they started", async () => {
  const ctx = testContext();
  const kind = executionIntake(ctx, WORKSPACE);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      story,
      fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      fc.array(fc.infiniteStream(fc.nat()), { minLength: 4, maxLength: 4 }),
      async (told, leaning, orders) => {
        run++;
        // The first message says when it started; of the others those that lean do not.
        const messages = messagesOf({ ...told, correction: null }).map((message, place) => {
          const { started_at: _, ...rest } = message;
          return place > 0 && leaning[place % leaning.length] ? rest : message;
        });
        for (const [order, stream] of orders.entries()) {
          const id = `one${run}-o${order}`;
          const items = messages
            .map((message) => ({ key: stream.next().value as number, message: { ...message, id } }))
            .sort((a, b) => a.key - b.key)
            .map(({ message }) => message);
          if (order % 2 === 0) {
            const results = await send(ctx, items);
            expect(results.filter(({ result }) => result === "invalid")).toEqual([]);
          } else {
            const { results } = await receiveStream(kind, farApart(items), Date.now, () => ({
              id: "",
              reproducible: false,
            }));
            expect(results.filter(({ code }) => code !== "invalid_json")).toEqual([]);
          }
        }
        const rows = await ctx.db.all({
          sql: sql`select distinct ${COLUMNS} from executions where workspace_id = ${WORKSPACE} and id like ${`one${run}-o%`}`,
          row: z.record(z.string(), z.unknown()),
        });
        expect(rows).toHaveLength(1);
      },
    ),
    { numRuns: 12 },
  );
});

it("intake counts 10,000 executions once when 20 clients send them at the same time", async () => {
  const ctx = testContext();
  const items = Array.from({ length: 10_000 }, (_, index) => ({
    id: `same-${index}`,
    agent_id: `a${index % 7}`,
    user_id: `u${index % 101}`,
    status: "success",
    started_at: new Date(Date.UTC(2026, 8, 1) + index * 300_000).toISOString(),
    duration_ms: index,
    credits: "0.100000",
  }));
  const counts = emptyCounts();
  await Promise.all(
    Array.from({ length: 20 }, async (_, client) => {
      for (let at = 0; at < items.length; at += 1000) {
        // Each client has its own order of chunks, and its own order inside them.
        const from = (at + client * 3000) % items.length;
        const chunk = items.slice(from, from + 1000);
        for (const { result } of await send(ctx, client % 2 ? chunk.reverse() : chunk))
          counts[result]++;
      }
    }),
  );
  expect(counts).toEqual({
    created: 10_000,
    updated: 0,
    duplicate: 190_000,
    conflict: 0,
    invalid: 0,
  });
  const stored = await ctx.db.maybe({
    sql: sql`select count(*) as rows, count(distinct id) as ids, sum(credits)::text as credits from executions where workspace_id = ${WORKSPACE} and id like 'same-%'`,
    row: z.object({ rows: z.number(), ids: z.number(), credits: z.string() }),
  });
  expect(stored).toEqual({ rows: 10_000, ids: 10_000, credits: "1000.000000" });
});
