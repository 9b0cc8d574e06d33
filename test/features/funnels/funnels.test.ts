import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { random } from "../../support/days.ts";
import { store } from "../../support/store.ts";

const W = "funnels";
const START = Date.parse("2026-06-01T00:00:00Z");
const RANGE = { from: "2026-06-01T00:00:00Z", to: "2026-06-15T00:00:00Z" };
interface Moment {
  user: string;
  at: number;
  name: string;
  plan: string;
}
const moments: Moment[] = [];
let api: ReturnType<typeof clientOf>;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(77);
  const [events, executions]: [unknown[], unknown[]] = [[], []];
  for (let n = 0; n < 1500; n++) {
    const moment = {
      user: `u${Math.floor(next() * 80)}`,
      at: START + Math.floor(next() * 20 * 86_400) * 1000,
      name: ["visit", "signup", "run", "leave"][Math.floor(next() * 4)] ?? "",
      plan: next() < 0.5 ? "free" : "paid",
    };
    moments.push(moment);
    const at = new Date(moment.at).toISOString();
    if (moment.name === "run")
      executions.push({
        id: `r${n}`,
        agent_id: "bot",
        user_id: moment.user,
        status: "success",
        started_at: at,
        model: moment.plan,
      });
    else
      events.push({
        id: `e${n}`,
        event_type: "page",
        event_name: moment.name,
        user_id: moment.user,
        occurred_at: at,
        properties: { plan: moment.plan, n },
      });
  }
  await store(eventIntake(ctx, W), events);
  await store(executionIntake(ctx, W), executions);
  api = clientOf(await tokenFor(W));
});

const definition = {
  steps: [
    { name: "visit", kind: "event", event_name: "visit" },
    { name: "signup", kind: "event", event_type: "page", event_name: "signup" },
    { name: "run", kind: "execution", filters: [{ field: "agent", op: "eq", value: "bot" }] },
  ],
  window_seconds: 3 * 86_400,
};

/** Straight from the definition, user by user: every start, then the earliest next step within the window. */
function journeys(excluded?: string) {
  const names = ["visit", "signup", "run"];
  return [...Map.groupBy(moments, (moment) => moment.user)].flatMap(([user, list]) => {
    const order = [...list].sort((a, b) => a.at - b.at);
    let best: { times: number[]; plan: string } | undefined;
    for (const start of order.filter(
      (each) =>
        each.name === "visit" &&
        each.at >= Date.parse(RANGE.from) &&
        each.at < Date.parse(RANGE.to),
    )) {
      const times = [start.at];
      for (const name of names.slice(1)) {
        const after = order.find(
          (each) =>
            each.name === name &&
            each.at > (times.at(-1) ?? 0) &&
            each.at - start.at <= 3 * 86_400_000,
        );
        const stopped =
          excluded !== undefined &&
          after &&
          order.some((each) => each.name === excluded && each.at > start.at && each.at <= after.at);
        if (!after || stopped) break;
        times.push(after.at);
      }
      if (!best || times.length > best.times.length) best = { times, plan: start.plan };
    }
    return best ? [{ user, ...best }] : [];
  });
}

describe("a funnel", () => {
  it("is saved, listed, replaced, deleted, and is nobody else's", async () => {
    const made = await api.post("/api/v1/funnels", { name: "To the first run", definition });
    expect(made.status).toBe(201);
    const { id } = made.body.data;
    expect(made.headers.get("location")).toBe(`/api/v1/funnels/${id}`);
    expect((await api.get(`/api/v1/funnels/${id}`)).body.data).toEqual(made.body.data);
    const put = await api.send(`/api/v1/funnels/${id}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "Renamed", definition }),
    });
    expect(put.body.data).toMatchObject({ id, name: "Renamed", created_by: "tester" });
    expect((await api.get("/api/v1/funnels")).body.data).toEqual([put.body.data]);
    const stranger = clientOf(await tokenFor("funnels-stranger"));
    for (const [method, path, body] of [
      ["GET", "", undefined],
      ["DELETE", "", undefined],
      ["PUT", "", { name: "x", definition }],
      ["POST", "/analyze", {}],
      ["GET", "/journeys", undefined],
    ] as const) {
      const answer = await stranger.send(`/api/v1/funnels/${id}${path}`, {
        method,
        headers: { "content-type": "application/json" },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      expect([method, path, answer.status]).toEqual([method, path, 404]);
    }
    const viewer = clientOf(await tokenFor(W, { role: "viewer" }));
    expect((await viewer.post("/api/v1/funnels", { name: "x", definition })).status).toBe(403);
    expect((await api.send(`/api/v1/funnels/${id}`, { method: "DELETE" })).status).toBe(204);
    expect((await api.send(`/api/v1/funnels/${id}`, { method: "DELETE" })).status).toBe(404);
  });

  it("has the journeys of what it is now, is saved once under one key, and is refused when it can never be analysed", async () => {
    const headers = { "idempotency-key": "funnel-1" };
    const [one, two] = [
      await api.post("/api/v1/funnels", { name: "k", definition }, headers),
      await api.post("/api/v1/funnels", { name: "k", definition }, headers),
    ];
    expect(two.body.data.id).toBe(one.body.data.id);
    const { id } = one.body.data;
    const journeys = `/api/v1/funnels/${id}/journeys?from=${RANGE.from}&to=${RANGE.to}&include_total=true&step=2`;
    expect((await api.get(journeys)).body.page.total).toBeGreaterThan(0);
    const [first] = definition.steps;
    const other = {
      ...definition,
      steps: [first, { name: "never", kind: "event", event_name: "never" }],
    };
    const put = (of: unknown) =>
      api.send(`/api/v1/funnels/${id}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "k", definition: of }),
      });
    expect((await put(other)).status).toBe(200);
    expect((await api.get(journeys)).body.page.total).toBe(0);
    const wrong = {
      ...definition,
      steps: [
        first,
        { name: "x", kind: "event", filters: [{ field: "nope", op: "eq", value: 1 }] },
      ],
    };
    expect([
      (await put(wrong)).body.errors[0].path,
      (await api.post("/api/v1/funnels", { name: "w", definition: wrong })).status,
    ]).toEqual(["definition.steps.1.filters.0", 422]);
    await api.send(`/api/v1/funnels/${id}`, { method: "DELETE" });
    expect((await api.get(journeys)).status).toBe(404);
  });

  it.each([undefined, "leave"])(
    "counts what a loop over the users counts, excluding %s, and its journeys are those users",
    async (excluded) => {
      const exclusions = excluded ? [{ kind: "event", event_name: excluded }] : [];
      const { body: saved } = await api.post("/api/v1/funnels", {
        name: `with ${excluded}`,
        definition: { ...definition, exclusions },
      });
      const { id } = saved.data;
      const { status, body } = await api.post(`/api/v1/funnels/${id}/analyze`, {
        ...RANGE,
        breakdown: "properties.plan",
        granularity: "week",
      });
      expect(status).toBe(200);
      const expected = journeys(excluded);
      const level = (n: number) => expected.filter((journey) => journey.times.length >= n);
      expect(level(3).length).toBeGreaterThan(5);
      expect(body.data.steps.map((step: { users: number }) => step.users)).toEqual(
        [1, 2, 3].map((n) => level(n).length),
      );
      body.data.steps.forEach((step: Record<string, never>, index: number) => {
        if (index === 0) return;
        const took = level(index + 1)
          .map(({ times }) => (times[index] ?? 0) - (times[index - 1] ?? 0))
          .sort((a, b) => a - b);
        const at = (q: number) => took[Math.ceil(q * took.length) - 1] ?? null;
        expect(step.time_to_convert_ms).toEqual({ median: at(0.5), p90: at(0.9) });
        expect(step.conversion_rate).toBe(level(index + 1).length / level(1).length);
        expect(step.in_progress_users).toBe(0);
        expect(step.dropped_users).toBe(
          index === 2 ? 0 : level(index + 1).length - level(index + 2).length,
        );
      });
      for (const group of body.data.breakdown) {
        const own = expected.filter((journey) => journey.plan === group.value);
        expect(group.steps.map((step: { users: number }) => step.users)).toEqual(
          [1, 2, 3].map((n) => own.filter((journey) => journey.times.length >= n).length),
        );
      }
      const sum = (name: string) =>
        body.data.trend.reduce(
          (total: number, bucket: Record<string, number>) => total + (bucket[name] ?? 0),
          0,
        );
      expect([sum("entered"), sum("converted")]).toEqual([level(1).length, level(3).length]);
      for (const [query, users] of [
        ["step=2", level(2)],
        ["step=2&outcome=dropped", level(2).filter((journey) => journey.times.length === 2)],
        ["outcome=converted", level(3)],
      ] as const) {
        const found: { user_id: string; step_times: string[] }[] = [];
        for (let cursor = ""; ; ) {
          const page = await api.get(
            `/api/v1/funnels/${id}/journeys?from=${RANGE.from}&to=${RANGE.to}&limit=7&include_total=true&${query}${cursor}`,
          );
          expect(page.body.page.total).toBe(users.length);
          found.push(...page.body.data);
          if (!page.body.page.has_more) break;
          cursor = `&cursor=${page.body.page.next_cursor}`;
        }
        expect(found.map((journey) => journey.user_id)).toEqual(
          users.map((journey) => journey.user).sort(),
        );
        for (const journey of found)
          expect(journey.step_times.map((time) => Date.parse(time))).toEqual(
            users.find((each) => each.user === journey.user_id)?.times,
          );
      }
    },
  );

  it("counts who may still come further apart from who dropped, in every part of the answer", async () => {
    const workspace = "funnels-open";
    const client = clientOf(await tokenFor(workspace));
    const day = 86_400_000;
    const at = (days: number) => new Date(Date.now() - days * day).toISOString();
    const event = (id: string, user: string, name: string, days: number) => ({
      id,
      event_type: "page",
      event_name: name,
      user_id: user,
      occurred_at: at(days),
      properties: { plan: "free" },
    });
    await store(eventIntake(testContext(), workspace), [
      // Dropped three days ago; on the way; dropped, and on the way again; ended by an exclusion; converted.
      event("1", "gone", "visit", 20),
      event("2", "open", "visit", 2),
      event("3", "again", "visit", 20),
      event("4", "again", "signup", 19),
      event("5", "again", "visit", 1),
      event("6", "left", "visit", 2),
      event("7", "left", "leave", 1),
      event("8", "done", "visit", 3),
      event("9", "done", "signup", 2),
      event("10", "done", "pay", 1),
    ]);
    const step = (name: string) => ({ name, kind: "event", event_name: name });
    const of = {
      steps: [step("visit"), step("signup"), step("pay")],
      exclusions: [{ kind: "event", event_name: "leave" }],
    };
    const made = await client.post("/api/v1/funnels", { name: "open", definition: of });
    const { id } = made.body.data;
    const { body } = await client.post(`/api/v1/funnels/${id}/analyze`, {
      timeframe: "30d",
      breakdown: "properties.plan",
      granularity: "month",
    });
    const counts = (steps: Record<string, number>[]) =>
      steps.map((each) => [each.users, each.dropped_users, each.in_progress_users]);
    const expected = [
      [5, 2, 1],
      [2, 0, 1],
      [1, 0, 0],
    ];
    expect(counts(body.data.steps)).toEqual(expected);
    expect(counts(body.data.breakdown[0].steps)).toEqual(expected);
    const sums = body.data.trend.reduce(
      ([entered, converted, open]: number[], each: Record<string, number>) => [
        (entered ?? 0) + (each.entered ?? 0),
        (converted ?? 0) + (each.converted ?? 0),
        (open ?? 0) + (each.in_progress ?? 0),
      ],
      [0, 0, 0],
    );
    expect(sums).toEqual([5, 1, 2]);
    const users = async (query: string) =>
      (await client.get(`/api/v1/funnels/${id}/journeys?timeframe=30d&${query}`)).body.data.map(
        (each: { user_id: string; in_progress: boolean }) => [each.user_id, each.in_progress],
      );
    expect(await users("step=1&outcome=dropped")).toEqual([
      ["gone", false],
      ["left", false],
    ]);
    expect(await users("step=1&outcome=in_progress")).toEqual([["open", true]]);
    expect(await users("step=2&outcome=in_progress")).toEqual([["again", true]]);
    expect(await users("outcome=converted")).toEqual([["done", false]]);
  });

  it("excludes between two given steps, and in contiguous order lets nothing else stand between", async () => {
    const workspace = "funnels-between";
    const client = clientOf(await tokenFor(workspace));
    const log: Record<string, string[]> = {
      plain: ["a", "b", "c"],
      early: ["a", "x", "b", "c"],
      late: ["a", "b", "x", "c"],
      again: ["a", "b", "x", "b", "c"],
      ran: ["a", "run", "b", "c"],
    };
    const moments = Object.entries(log).flatMap(([user, names]) =>
      names.map((name, n) => ({ user, name, at: new Date(START + n * 60_000).toISOString() })),
    );
    await store(
      eventIntake(testContext(), workspace),
      moments.flatMap(({ user, name, at }, n) =>
        name === "run"
          ? []
          : [{ id: `e${n}`, event_type: "t", event_name: name, user_id: user, occurred_at: at }],
      ),
    );
    await store(
      executionIntake(testContext(), workspace),
      moments.flatMap(({ user, name, at }, n) =>
        name === "run"
          ? [{ id: `r${n}`, agent_id: "bot", user_id: user, status: "success", started_at: at }]
          : [],
      ),
    );
    const step = (name: string) => ({ name, kind: "event", event_name: name });
    const steps = [step("a"), step("b"), step("c")];
    const x = { kind: "event", event_name: "x" };
    const analyse = (more: object) =>
      client.post("/api/v1/funnels/analyze", { definition: { steps, ...more }, ...RANGE });
    const users = async (more: object) =>
      (await analyse(more)).body.data.steps.map((each: { users: number }) => each.users);
    expect(await users({})).toEqual([5, 5, 5]);
    expect(await users({ exclusions: [x] })).toEqual([5, 4, 2]);
    expect(await users({ exclusions: [{ ...x, to_step: 2 }] })).toEqual([5, 4, 4]);
    // "again" comes to the third step by its second b.
    expect(await users({ exclusions: [{ ...x, from_step: 2 }] })).toEqual([5, 5, 4]);
    expect(await users({ order: "strict" })).toEqual([5, 5, 4]);
    expect(await users({ order: "contiguous" })).toEqual([5, 3, 1]);
    for (const [more, path] of [
      [{ exclusions: [{ ...x, to_step: 4 }] }, "definition.exclusions.0.to_step"],
      [{ exclusions: [{ ...x, from_step: 2, to_step: 2 }] }, "definition.exclusions.0.from_step"],
      [{ exclusions: [{ ...x, from_step: 1 }], order: "any" }, "definition.exclusions.0"],
    ] as const) {
      const refused = await analyse(more);
      expect([refused.status, refused.body.errors[0].path]).toEqual([422, path]);
    }
  });

  it.each([
    [{ steps: [{ name: "only", kind: "event" }] }, 400],
    [{ ...definition, window_seconds: 0 }, 400],
    [{ ...definition, colour: 1 }, 400],
    [
      {
        steps: [
          { name: "a", kind: "execution", event_name: "x" },
          { name: "b", kind: "event" },
        ],
      },
      422,
    ],
    [
      {
        steps: [
          { name: "a", kind: "event", filters: [{ field: "colour", op: "eq", value: 1 }] },
          { name: "b", kind: "event" },
        ],
      },
      422,
    ],
    [
      {
        steps: [
          { name: "a", kind: "execution", filters: [{ field: "hour_of_day", op: "eq", value: 1 }] },
          { name: "b", kind: "event" },
        ],
      },
      422,
    ],
    [
      {
        steps: [
          {
            name: "a",
            kind: "event",
            filters: [{ field: "properties.n", op: "gt", value: "'; drop table events; --" }],
          },
          { name: "b", kind: "event" },
        ],
      },
      200,
    ],
  ])("refuses what cannot be asked: %j", async (of, status) => {
    const answer = await api.post("/api/v1/funnels/analyze", { definition: of, ...RANGE });
    expect([JSON.stringify(answer.body.errors ?? []), answer.status]).toEqual([
      expect.any(String),
      status,
    ]);
    if (status !== 200) expect(answer.body.errors[0].path).not.toBe("");
  });
});
