import { sql } from "drizzle-orm";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { z } from "zod";
import { type Db, withVerbs } from "../../../src/db/client.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { storeChecked } from "../../../src/intake/items.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";

const [TOGETHER, APART] = ["folded-together", "folded-apart"];
let together: ReturnType<typeof clientOf>;
let apart: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  together = clientOf(await tokenFor(TOGETHER));
  apart = clientOf(await tokenFor(APART));
});

const PATH = "/api/v1/executions";
const NOW = Date.parse("2026-10-25T00:00:00Z");
type Item = { id: string; [field: string]: unknown };
const isWhole = (item: Item) =>
  executionIntake(testContext(), APART).check(item, NOW, { id: "", reproducible: false }).ok;

/** One by one; but a new execution begins with the first item that is valid and has a start. */
function inTurn(items: Item[], known: ReadonlySet<string>): Item[] {
  const starts = [...Map.groupBy(items, (item) => item.id)].flatMap(([id, those]) =>
    known.has(id) ? [] : (those.find((item) => isWhole(item) && "started_at" in item) ?? []),
  );
  return [...starts, ...items.filter((item) => !starts.includes(item))];
}

async function sendApart(items: Item[], known: Set<string>) {
  const results = new Map<Item, Record<string, unknown>>();
  // Items about different executions do not meet.
  const groups = Map.groupBy(inTurn(items, known), (item) => item.id).values();
  await Promise.all(
    [...groups].map(async (those) => {
      for (const item of those) {
        const { body } = await apart.post(PATH, item);
        const result = body.data.results[0];
        results.set(item, result);
        if (result.result === "created") known.add(item.id);
      }
    }),
  );
  return items.map((item, index) => ({ ...results.get(item), index }));
}

async function rowsOf(db: Db, workspaceId: string, ids: string[]) {
  const columns = sql.raw(
    `e.id, agent_id, user_id, status, e.started_at, ended_at, duration_ms, credits, tokens_in,
    tokens_out, model, parent_execution_id, environment, version, error_type, error_message,
    metadata::text, revision, settled, stale, k.started_at is not null as keyed`,
  );
  return db.all({
    sql: sql`select ${columns} from executions e
      left join execution_keys k using (workspace_id, id, started_at)
      where workspace_id = ${workspaceId} and e.id = any(${sql.param(ids)}::text[]) order by e.id`,
    row: z.record(z.string(), z.unknown()),
  });
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
/** The first value mostly; of the others each now and then. */
const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, fc.constantFrom(...others));
const STARTS = ["2026-10-05T10:20:30.123456Z", "2026-10-06T00:00:00Z", "2026-09-30T23:59:59Z"];
const fields = {
  agent_id: mostly("agent", "other"),
  user_id: fc.constantFrom(undefined, undefined, undefined, "user", "user", "somebody"),
  started_at: fc.oneof(mostly<string | undefined>(STARTS[0], ...STARTS), fc.constant(undefined)),
  credits: maybe(fc.constantFrom("0.1", 0.1, "2.000000")),
  tokens_in: maybe(mostly(1, 2, 3, -1)),
  model: maybe(fc.constantFrom("a", "B", "é")),
  version: maybe(fc.constant("1")),
  error: maybe(fc.record({ type: fc.constantFrom("E1", "E2"), message: maybe(fc.constant("x")) })),
  metadata: maybe(
    fc.dictionary(
      fc.constantFrom("a", "b"),
      fc.constantFrom<unknown>(1, 2, 10, "B", "a", "é", null, true, [1], { x: 1 }),
    ),
  ),
  revision: mostly<number | undefined>(undefined, 0, 1, 2),
};
const running = fc.record({ status: fc.constant("running"), ...fields });
const final = fc.record({
  status: mostly("success", "failure"),
  ended_at: maybe(fc.constantFrom("2026-10-05T10:21:00Z", "2026-10-07T00:00:00Z")),
  ...fields,
});
const large = fc.record({
  status: fc.constant("running"),
  agent_id: fc.constant("agent"),
  started_at: fc.constant(STARTS[0]),
  metadata: fc
    .constantFrom("c", "d", "e")
    .map((key): Record<string, string> => ({ [key]: key.repeat(15_000) })),
});
const told = fc.oneof(
  { weight: 4, arbitrary: running },
  { weight: 4, arbitrary: final },
  { weight: 2, arbitrary: large },
);
/** An item, or one that was told before once more. */
const turn = fc.record({
  id: mostly("a", "b"),
  told,
  again: maybe(fc.nat({ max: 5 })),
});

type Turn = typeof turn extends fc.Arbitrary<infer T> ? T : never;

function itemsOf(turns: readonly Turn[], run: string) {
  const items: Item[] = [];
  for (const { id, told, again } of turns) {
    const earlier = again === undefined ? undefined : items.at(-1 - again);
    const item = { ...(earlier ?? { ...told, id: `${run}-${id}` }) };
    items.push(JSON.parse(JSON.stringify(item)));
  }
  return items;
}

/** Every outcome once: what a final message states, and every other word about it. */
const open = { status: "running", agent_id: "agent", user_id: "user", started_at: STARTS[0] };
const settled = {
  ...{ ...open, status: "success", ended_at: "2026-10-05T10:21:00Z", credits: "0.1" },
  ...{ tokens_in: 1, model: "a", error: { type: "E1" }, metadata: { a: 1 } },
};
const others = {
  ...{ started_at: STARTS[1], agent_id: "other", user_id: "somebody", status: "failure" },
  ...{ ended_at: "2026-10-07T00:00:00Z", credits: "2.000000", tokens_in: 2, model: "B" },
  ...{ error: { type: "E2" }, metadata: { a: 2 } },
};
const said = (id: "a" | "b", item: object): Turn => ({
  id,
  told: item as Turn["told"],
  again: undefined,
});
const EVERY_OUTCOME: Turn[] = [
  said("a", { status: "success", agent_id: "agent" }),
  said("b", { ...settled, started_at: undefined }),
  ...[open, { ...open, tokens_in: -1 }, settled, settled].map((item) => said("b", item)),
  ...Object.entries(others).map(([field, value]) =>
    said("b", {
      ...settled,
      ...(field === "started_at" ? { ended_at: undefined } : {}),
      [field]: value,
    }),
  ),
  said("b", { ...settled, started_at: undefined, ended_at: "2026-10-05T00:00:00Z" }),
  said("b", { ...open, revision: 2 }),
  ...["c", "d", "e"].map((key) =>
    said("b", { ...open, revision: 2, metadata: { [key]: key.repeat(15_000) } }),
  ),
  said("b", settled),
];

it("answers many messages of one run as if each came alone, and stores the same", async () => {
  const { db } = testContext();
  let runs = 0;
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(turn, { maxLength: 3 }),
      fc.array(turn, { minLength: 4, maxLength: 12 }),
      async (before, turns) => {
        const run = `r${runs++}`;
        const known = new Set<string>();
        const items = itemsOf([...before, ...turns], run);
        const [first, then] = [items.slice(0, before.length), items.slice(before.length)];
        for (const part of [first, then]) {
          const answers = await sendApart(part, known);
          const { body } = await together.post(PATH, { executions: part });
          expect(body.data.results).toEqual(answers);
          for (const { result, code, path } of body.data.results)
            outcomes.add([result, code, code === "contradiction" ? path : ""].join(" ").trim());
        }
        const ids = [`${run}-a`, `${run}-b`];
        expect(await rowsOf(db, TOGETHER, ids)).toEqual(await rowsOf(db, APART, ids));
      },
    ),
    { numRuns: 10, examples: [[[], EVERY_OUTCOME]] },
  );
  const paths = ["started_at", "agent_id", "user_id", "status", "ended_at", "credits", "tokens_in"];
  expect([...outcomes]).toEqual(
    expect.arrayContaining([
      ...["created", "updated", "duplicate", "conflict superseded", "invalid unknown_execution"],
      ...["invalid end_before_start", "invalid too_large", "invalid too_small"],
      ...[...paths, "model", "error", "metadata"].map((path) => `conflict contradiction ${path}`),
    ]),
  );
});

it("marks the hours of the first start and of the last, and leaves no row at another", async () => {
  const base = { agent_id: "a", status: "success" };
  const at = (hour: number, revision: number) => ({
    ...base,
    id: "moving",
    started_at: `2026-10-0${1 + revision}T0${hour}:00:00Z`,
    revision,
  });
  await together.post(PATH, at(1, 0));
  const { db } = testContext();
  await db.run(sql`delete from rollup_marks`);
  const { body } = await together.post(PATH, { executions: [at(2, 1), at(3, 2), at(4, 3)] });
  expect(body.data.counts.updated).toBe(3);
  const marks = await db.all({
    sql: sql`select distinct bucket from rollup_marks
      where unit = 'hour' and workspace_id = ${TOGETHER} order by 1`,
    row: z.object({ bucket: z.string() }),
  });
  expect(marks.map(({ bucket }) => bucket)).toEqual([
    "2026-10-01T01:00:00.000Z",
    "2026-10-04T04:00:00.000Z",
  ]);
  const rows = await rowsOf(db, TOGETHER, ["moving"]);
  expect(rows).toMatchObject([
    { started_at: "2026-10-04T04:00:00.000Z", revision: 3, keyed: true },
  ]);
});

it("sends as few statements for a thousand messages of one execution as for two", async () => {
  const ctx = testContext();
  let statements = 0;
  const db = withVerbs({
    all: (statement) => {
      statements++;
      return ctx.db.all(statement);
    },
    transaction: (all, options) => {
      statements += all.length;
      return ctx.db.transaction(all, options);
    },
  });
  const kind = executionIntake({ ...ctx, db }, TOGETHER);
  const send = async (id: string, count: number) => {
    statements = 0;
    const checked = Array.from({ length: count }, (_, n) =>
      kind.check(
        { id, agent_id: "a", status: "running", started_at: STARTS[0], tokens_in: n },
        NOW,
        { id: "", reproducible: false },
      ),
    );
    const results = await storeChecked(kind, checked);
    expect(results.filter(({ result }) => result === "updated")).toHaveLength(count - 1);
    return statements;
  };
  expect(await send("many", 1000)).toBe(await send("two", 2));
  const { body } = await together.get(`${PATH}/many`);
  expect(body.data.tokens_in).toBe(999);
});
