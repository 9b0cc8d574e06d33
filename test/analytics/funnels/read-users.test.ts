import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { journeyOf } from "../../../src/analytics/funnels/evaluate.ts";
import { packedOccurrences } from "../../../src/analytics/funnels/occurrences.ts";
import { readUsers } from "../../../src/analytics/funnels/read-users.ts";
import { STEP_ORDERS } from "../../../src/analytics/funnels/rules.ts";
import {
  type FunnelRequest,
  type FunnelUser,
  runFunnel,
} from "../../../src/analytics/funnels/run-funnel.ts";
import { unpackedUser } from "../../../src/analytics/funnels/unpack.ts";
import { RowBytes } from "../../../src/db/row-bytes.ts";
import type { Snapshot } from "../../../src/db/snapshot.ts";
import { eventIntake } from "../../../src/features/events/ingest.ts";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { WORK_BUDGETS } from "../../../src/lib/budget.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { random } from "../../support/days.ts";
import { store } from "../../support/store.ts";

const W = "sliced";
const START = Date.parse("2026-06-01T00:00:00Z");
const DAY_US = 86_400_000_000;
const range = { from: START * 1000, to: START * 1000 + 14 * DAY_US };
const SCRIPTS = ["user", "Иван", "用户"];
const NAMES = ["visit", "signup", "run", "leave", "noise"];
interface Moment {
  user: string;
  at: number;
  name: string;
  plan: string | null;
}
const moments: Moment[] = [];

/** One user has a third of all moments, many have one, and instants are shared. */
function someMoment(next: () => number): Moment {
  const number = next() < 0.33 ? 0 : Math.floor(next() ** 2 * 150);
  const plan = ["free", "paid", "größer", null][Math.floor(next() * 4)] ?? null;
  return {
    user: `${SCRIPTS[number % 3]}-${number}`,
    at: START + Math.floor(next() * 17 * 24) * 3_600_000,
    name: NAMES[Math.floor(next() * 5)] ?? "",
    plan,
  };
}

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const next = random(4);
  const [events, executions]: [unknown[], unknown[]] = [[], []];
  for (let n = 0; n < 2000; n++) {
    const moment = someMoment(next);
    moments.push(moment);
    const at = new Date(moment.at).toISOString();
    const { user: user_id, name, plan } = moment;
    if (name === "run")
      executions.push({ id: `r${n}`, agent_id: "bot", user_id, status: "success", started_at: at });
    else
      events.push({
        id: `e${n}`,
        event_type: "page",
        event_name: name,
        user_id,
        occurred_at: at,
        properties: plan === null ? {} : { plan },
      });
  }
  await store(eventIntake(ctx, W), events);
  await store(executionIntake(ctx, W), executions);
});

const steps = [
  { name: "visit", kind: "event" as const, event_name: "visit" },
  { name: "signup", kind: "event" as const, event_name: "signup" },
  { name: "run", kind: "execution" as const },
];
const anyFunnel = fc.record({
  order: fc.constantFrom(...STEP_ORDERS),
  same_instant: fc.constantFrom("counts" as const, "does_not" as const),
  window_seconds: fc.integer({ min: 1, max: 5 * 86_400 }),
  excludes: fc.boolean(),
  breakdown: fc.constantFrom(undefined, "properties.plan"),
});

const byId = (users: FunnelUser[]) =>
  users.toSorted((a, b) => (a.userId < b.userId ? -1 : a.userId > b.userId ? 1 : 0));

async function usersOf(asked: Omit<FunnelRequest, "range" | "timezone" | "now">) {
  const users: FunnelUser[] = [];
  const request = { ...asked, range, timezone: "UTC", now: range.to };
  const { as_of: _, ...meta } = await runFunnel(testContext(), W, request, (user) => {
    users.push(user);
  });
  return { users: byId(users), meta };
}

const MOST = 1_000_000;
const ONE_USER = { textMoments: 0, pageBytes: 1 };
const SOME_USERS = { textMoments: 0, pageBytes: 3_000 };
const ALL_USERS = { textMoments: 0, pageBytes: 10 * MOST };

describe("a funnel in pages", () => {
  it("is the funnel of one statement, however many users a page has", async () => {
    await fc.assert(
      fc.asyncProperty(anyFunnel, async ({ excludes, breakdown, ...rules }) => {
        const exclusions = excludes ? [{ kind: "event" as const, event_name: "leave" }] : [];
        const asked = { definition: { steps, exclusions, ...rules }, breakdown };
        const one = await usersOf({ ...asked, textMoments: MOST });
        expect(one.users.length).toBeGreaterThan(20);
        for (const sizes of [ONE_USER, SOME_USERS, ALL_USERS])
          expect(await usersOf({ ...asked, ...sizes })).toEqual(one);
      }),
      { numRuns: 12, seed: 8 },
    );
  });

  it("has the journeys of the raw moments, user by user", async () => {
    const definition = { steps, window_seconds: 86_400 };
    const rules = {
      steps: 3,
      exclusions: [],
      order: "ordered" as const,
      windowUs: DAY_US,
      sameInstant: "counts" as const,
      ...range,
      now: range.to,
    };
    const bits = ["visit", "signup", "run"];
    const seen = moments.filter(
      ({ at, name }) => at * 1000 < range.to + DAY_US && bits.includes(name),
    );
    const expected = [...Map.groupBy(seen, ({ user }) => user)].flatMap(([userId, own]) => {
      const cells = own.map(({ at, name }) => ({ at: at * 1000, mask: 2 ** bits.indexOf(name) }));
      cells.sort((a, b) => a.at - b.at || a.mask - b.mask);
      const [times, masks] = [cells.map(({ at }) => at), cells.map(({ mask }) => mask)];
      const journey = journeyOf({ userId, times, masks, properties: [] }, rules);
      if (!journey) return [];
      const { level, times: taken, inProgress } = journey;
      return [{ userId, level, times: taken, inProgress, property: null }];
    });
    const { users, meta } = await usersOf({ definition, ...SOME_USERS });
    expect(users).toEqual(byId(expected));
    expect(meta.sources.raw.rows).toBe(seen.length);
  });

  it("holds a page and the next one, and no page is larger than its bound or its only user", async () => {
    const pageBytes = 2_000;
    const sizes: { rows: number; bytes: number }[] = [];
    const largest: number[] = [];
    const watching = (snapshot: Snapshot): Snapshot => ({
      ...snapshot,
      readPages: (sql, take) =>
        snapshot.readPages(sql, (next) =>
          take(async (rows, into) => {
            await next(rows, into);
            sizes.push({ rows: into.rows, bytes: into.size });
          }),
        ),
    });
    const packed = packedOccurrences(W, range, steps, ["a", "b", "c"], MOST);
    await testContext().inSnapshot((snapshot) =>
      readUsers(watching(snapshot), packed, (user) => largest.push(user.moments.length), pageBytes),
    );
    expect(largest).toEqual(largest.toSorted((a, b) => b - a));
    expect(sizes.length).toBeGreaterThan(5);
    expect(sizes.some(({ rows }) => rows > 5)).toBe(true);
    for (const { rows, bytes } of sizes.slice(1))
      expect(rows === 1 || bytes < pageBytes).toBe(true);
    const count = sizes.reduce((sum, { rows }) => sum + rows, 0);
    expect(count).toBe(largest.length);
  });

  it("leaves the snapshot as it was for what is asked after it", async () => {
    const definition = { steps };
    await testContext().inSnapshot(async (snapshot) => {
      const open = {
        db: snapshot,
        inSnapshot: <T>(work: (of: Snapshot) => Promise<T>) => work(snapshot),
      };
      const request = { definition, range, timezone: "UTC", now: range.to, ...SOME_USERS };
      const [first, second]: [FunnelUser[], FunnelUser[]] = [[], []];
      await runFunnel(open, W, request, (user) => first.push(user));
      await runFunnel(open, W, request, (user) => second.push(user));
      expect(first.length).toBeGreaterThan(20);
      expect(byId(second)).toEqual(byId(first));
    });
  });

  it("is refused before a user is evaluated, if there are too many moments of all or of one", async () => {
    const { moments: all, momentsOfUser: ofOne } = WORK_BUDGETS;
    const taken: unknown[] = [];
    const asking = (total: number, most: number) => {
      const snapshot = { readPages: onePage([total, most]) } as unknown as Snapshot;
      const packed = packedOccurrences(W, range, steps, ["a", "b", "c"], MOST);
      return readUsers(snapshot, packed, (user) => taken.push(user));
    };
    const tooMany = { code: "too_many_rows", kind: "unprocessable" };
    await expect(asking(all.limit + 1, 1)).rejects.toMatchObject(tooMany);
    await expect(asking(all.limit, ofOne.limit + 1)).rejects.toMatchObject(tooMany);
    expect(taken).toEqual([]);
    await asking(all.limit, ofOne.limit);
    expect(taken).toHaveLength(1);
  });
});

/** A statement whose only row says how many moments there are. */
function onePage(numbers: [number, number]): Snapshot["readPages"] {
  const value = (bytes: Uint8Array) => {
    const length = new Uint8Array(4);
    new DataView(length.buffer).setInt32(0, bytes.length);
    return [...length, ...bytes];
  };
  const int4 = (number: number) => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setInt32(0, number);
    return value(bytes);
  };
  const cells = [value(new Uint8Array([117])), value(new Uint8Array(10)), value(new Uint8Array())];
  const body = [0, 5, ...cells.flat(), ...numbers.flatMap(int4)];
  const message = new Uint8Array([0x44, ...int4(0).slice(4), ...body]);
  new DataView(message.buffer).setInt32(1, body.length + 4);
  return async (_sql, take) => {
    let isFirst = true;
    await take(async (_rows, into) => {
      into.clear();
      if (isFirst) into.add(message);
      isFirst = false;
    });
  };
}

describe("moments of a user", () => {
  const anyMoments = fc.array(
    fc.record({
      at: fc.constantFrom(0, 1, 946_684_800_000_000, 1_780_000_000_000_000, 7_258_118_399_999_999),
      mask: fc.constantFrom(1, 2, 3, 2 ** 15 - 1),
      text: fc.option(fc.string({ unit: "binary", maxLength: 5 }), { nil: null }),
    }),
    { minLength: 1, maxLength: 12 },
  );

  it("are the same in whatever order they were stored, each property by its moment", () => {
    fc.assert(
      fc.property(anyMoments, fc.boolean(), (list, hasProperties) => {
        const packed = new Uint8Array(10 * list.length);
        const view = new DataView(packed.buffer);
        list.forEach(({ at, mask }, index) => {
          view.setBigInt64(10 * index, BigInt(at) - 946_684_800_000_000n);
          view.setInt16(10 * index + 8, mask);
        });
        const texts = list.filter(({ mask }) => mask & 1).map(({ text }) => text);
        const encoded = texts.map((text) =>
          text === null ? null : new TextEncoder().encode(text),
        );
        const properties = encoded.flatMap((bytes) => {
          const length = new DataView(new ArrayBuffer(4));
          length.setInt32(0, bytes?.length ?? -1);
          return [...new Uint8Array(length.buffer), ...(bytes ?? [])];
        });
        const sorted = list.toSorted(
          (a, b) =>
            a.at - b.at ||
            a.mask - b.mask ||
            (hasProperties && a.mask & 1 ? (a.text ?? "").localeCompare(b.text ?? "") : 0),
        );
        const user = unpackedUser({
          userId: "u",
          moments: packed,
          properties: hasProperties ? new Uint8Array(properties) : null,
        });
        expect(user.times).toEqual(sorted.map(({ at }) => at));
        expect(user.masks).toEqual(sorted.map(({ mask }) => mask));
        const shown = sorted.filter(({ mask }) => mask & 1).map(({ text }) => text);
        expect(user.properties).toEqual(hasProperties ? shown : []);
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});

describe("rows of a page", () => {
  it("begin anew with each page", () => {
    const rows = new RowBytes();
    rows.add(new Uint8Array([0x44, 0, 0, 0, 6, 0, 0]));
    rows.clear();
    expect([rows.rows, rows.size]).toEqual([0, 0]);
  });
});
