import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Context } from "../../../src/context.ts";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { correctExecution } from "../../../src/features/executions/correct.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import type { IntakeKind } from "../../../src/intake/items.ts";
import { patientDb, testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { keepStatistics, STATISTICS, settleNeighbour } from "../../support/neighbour.ts";
import { type Cost, measured } from "../../support/plans.ts";

const KNOWN = 4_000;
const SENT = 100;
const NOW = Date.parse("2026-10-25T00:00:00Z");

async function store<T>(kind: IntakeKind<T>, items: object[]): Promise<string[]> {
  const messages = items.map((item) => {
    const checked = kind.check(item, NOW, { id: "", reproducible: false });
    if (!checked.ok) throw new Error(JSON.stringify(checked.error));
    return checked.message;
  });
  return (await kind.store(messages)).map(({ result }) => result);
}
const list = <T>(length: number, item: (index: number) => T) =>
  Array.from({ length }, (_, index) => item(index));
const start = (index: number) => ({
  id: `r${index}`,
  agent_id: "a",
  user_id: "u",
  status: "running",
  started_at: new Date(Date.parse("2026-10-20T00:00:00Z") + index * 1000).toISOString(),
});
const end = (index: number) => {
  const { started_at: _, ...rest } = start(index);
  return { ...rest, status: "success" };
};
const event = (index: number) => ({
  id: `v${index}`,
  event_type: "open",
  user_id: "u",
  occurred_at: start(index).started_at,
});
const all = (result: string) => list(SENT, () => result);

beforeAll(async () => {
  await useOwnDatabase();
  await settleNeighbour(patientDb());
});

describe.each(STATISTICS)("with %s statistics, beside a neighbour of 60,000 rows", (statistics) => {
  const W = `newcomer-${statistics}`;
  let costs: Cost[];
  let ctx: Context;
  beforeAll(async () => {
    const plain = testContext({ db: patientDb() });
    await keepStatistics(plain.db, statistics);
    for (let from = 0; from < KNOWN; from += 500) {
      await store(
        executionIntake(plain, W),
        list(500, (index) => start(from + index)),
      );
      await store(
        eventIntake(plain, W),
        list(500, (index) => event(from + index)),
      );
    }
    const watched = await measured(plain.db);
    costs = watched.costs;
    ctx = { ...plain, db: watched.db };
  });
  afterAll(() => expect(costs.length).toBe(0));

  /** The statements of a request read no more together than what its messages are about. */
  const cheap = (messages = SENT) => {
    expect(costs.length).toBeGreaterThan(0);
    const all = costs.splice(0);
    const about = all
      .map(
        ({ buffers, rows, plan, text }) =>
          `${buffers} pages, ${rows} rows: ${text.slice(-400)}\n${plan}`,
      )
      .join("\n");
    const sum = (each: (cost: Cost) => number) =>
      all.reduce((total, cost) => total + each(cost), 0);
    expect(
      sum(({ buffers }) => buffers),
      about,
    ).toBeLessThan(120 * messages + 300);
    expect(
      sum(({ rows }) => rows),
      about,
    ).toBeLessThan(60 * messages + 300);
  };

  it("intake of what is new reads no more than it writes", async () => {
    expect(
      await store(
        executionIntake(ctx, W),
        list(SENT, (n) => start(KNOWN + n)),
      ),
    ).toEqual(all("created"));
    cheap();
  });

  it("what is repeated is looked up row by row", async () => {
    expect(await store(executionIntake(ctx, W), list(SENT, start))).toEqual(all("duplicate"));
    cheap();
    expect(await store(executionIntake(ctx, W), [start(7)])).toEqual(["duplicate"]);
    cheap(1);
  });

  it("ends without a start are looked up row by row", async () => {
    expect(await store(executionIntake(ctx, W), list(SENT, end))).toEqual(all("updated"));
    cheap();
  });

  it("many messages of one run cost what as many of different ones do", async () => {
    const raised = (index: number) => ({ ...start(3000), tokens_in: index });
    expect(await store(executionIntake(ctx, W), list(SENT, raised))).toEqual(all("updated"));
    cheap();
  });

  it("runs that a higher revision moves to another start are looked up row by row", async () => {
    const moved = (index: number) => ({
      ...start(1000 + index),
      started_at: `2026-09-02T00:00:${String(index % 60).padStart(2, "0")}Z`,
      revision: 1,
    });
    expect(await store(executionIntake(ctx, W), list(SENT, moved))).toEqual(all("updated"));
    cheap();
  });

  it("a correction is of one row", async () => {
    await correctExecution(ctx, W, "r2000", { model: "m" });
    await correctExecution(ctx, W, "r2000", { model: null });
    cheap(1);
  });

  it("events that are new, repeated or otherwise are looked up row by row", async () => {
    expect(
      await store(
        eventIntake(ctx, W),
        list(SENT, (n) => event(KNOWN + n)),
      ),
    ).toEqual(all("created"));
    expect(await store(eventIntake(ctx, W), list(SENT, event))).toEqual(all("duplicate"));
    const other = list(SENT, (index) => ({ ...event(index), event_type: "close" }));
    expect(await store(eventIntake(ctx, W), other)).toEqual(all("conflict"));
    cheap();
  });
});
