import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import {
  all,
  api,
  by,
  data,
  decimal,
  fillNumbers,
  micros,
  RANGE,
  rows,
} from "../../support/numbers.ts";

beforeAll(fillNumbers);

describe("errors", () => {
  it("are grouped by what they say, without numbers and quoted text", async () => {
    const groups = await data("/errors");
    const failed = rows.filter((row) => row.error_type !== null);
    const expected = [...by(failed, (row) => row.error_type)].sort(
      ([, a], [, b]) => b.length - a.length,
    );
    expect(
      groups.map((group: { error_type: string; executions: number }) => [
        group.error_type,
        group.executions,
      ]),
    ).toEqual(expected.map(([type, list]) => [type, list.length]));
    for (const group of groups) {
      const list = failed.filter((row) => row.error_type === group.error_type);
      const ever = all
        .filter((row) => row.error_type === group.error_type)
        .map((row) => row.started_at)
        .sort();
      expect(group).toMatchObject({
        users: new Set(list.map((row) => row.user_id)).size,
        agents: new Set(list.map((row) => row.agent_id)).size,
        credits_lost: decimal(micros(list)),
        share: list.length / failed.length,
        first_seen_at: ever[0],
        last_seen_at: ever.at(-1),
        status: "open",
      });
      const detail = await data(`/errors/${group.id}`);
      expect(detail.executions).toBe(ever.length);
      expect(
        detail.timeline.reduce((sum: number, day: { errors: number }) => sum + day.errors, 0),
      ).toBe(list.length);
    }
    const first = await api.get(`/api/v1/errors?limit=1&${RANGE}`);
    const second = await api.get(
      `/api/v1/errors?limit=1&cursor=${first.body.page.next_cursor}&${RANGE}`,
    );
    const skipped = await api.get(`/api/v1/errors?limit=1&skip=1&include_total=true&${RANGE}`);
    const whole = await api.get(`/api/v1/errors?limit=1000&${RANGE}`);
    expect([skipped.body.data, skipped.body.page.total]).toEqual([
      second.body.data,
      whole.body.data.length,
    ]);
    expect(
      (
        await api.get(
          `/api/v1/errors?limit=1&skip=1&cursor=${first.body.page.next_cursor}&${RANGE}`,
        )
      ).status,
    ).toBe(422);
    expect([...first.body.data, ...second.body.data].map((group) => group.id)).toEqual(
      groups.map((group: { id: string }) => group.id),
    );
    const timeline = await data("/errors/timeline?agent_id=a3");
    expect(timeline.reduce((sum: number, day: { errors: number }) => sum + day.errors, 0)).toBe(
      failed.filter((row) => row.agent_id === "a3").length,
    );
  });

  it("that were resolved open again when one starts later, and ignored ones stay", async () => {
    const own = clientOf(await tokenFor("numbers-errors", { role: "owner" }));
    const send = (id: string, at: number, message: string) =>
      own.post("/api/v1/executions", {
        id,
        agent_id: "a",
        user_id: "u",
        status: "failure",
        started_at: new Date(at).toISOString(),
        error: { type: "E", message },
      });
    const now = Date.now();
    await send(
      "1",
      now - 60_000,
      "line 12:5 of 'x.ts' in run 8f14e45f-ceea-467f-a9c9-1234567890ab",
    );
    const list = async () =>
      (await own.get("/api/v1/errors?timeframe=24h", { "cache-control": "no-cache" })).body.data;
    const [{ id }] = await list();
    expect(
      (await own.post(`/api/v1/errors/${id}/resolve`, { note: "fixed" })).body.data,
    ).toMatchObject({
      status: "resolved",
      note: "fixed",
      changed_by: "tester",
    });
    expect((await list())[0]).toMatchObject({ status: "resolved", reopened: false });
    await send(
      "2",
      now - 30_000,
      "line 99:1 of 'y.ts' in run 00000000-0000-4000-8000-000000000000",
    );
    expect(await list()).toMatchObject([{ id, status: "resolved", executions: 2 }]);
    await send("3", now + 60_000, "line 7:7 of 'z.ts' in run ffffffff-ffff-4fff-8fff-ffffffffffff");
    const { body } = await own.get(
      `/api/v1/errors?from=${new Date(now - 90_000).toISOString()}&to=${new Date(now + 120_000).toISOString()}`,
    );
    expect(body.data).toMatchObject([{ id, status: "open", reopened: true, executions: 3 }]);
    // A run that began before the decision and fails after it is a comeback as well.
    await own.post(`/api/v1/errors/${id}/resolve`, {});
    expect((await list())[0]).toMatchObject({ status: "resolved", reopened: false });
    const late = {
      id: "4",
      agent_id: "a",
      user_id: "u",
      status: "failure",
      started_at: new Date(now - 3_000_000).toISOString(),
    };
    await own.post("/api/v1/executions", {
      ...late,
      ended_at: new Date(Date.now() + 1_000).toISOString(),
      error: { type: "E", message: "line 1:1 of 'z.ts' in run ab12" },
    });
    expect((await list())[0]).toMatchObject({ status: "open", reopened: true });
    // So is one that tells its duration and not its end.
    await own.post(`/api/v1/errors/${id}/resolve`, {});
    const told = {
      ...late,
      id: "5",
      duration_ms: 3_600_000,
      error: { type: "E", message: "line 1:1 of 'z.ts' in run ab12" },
    };
    await own.post("/api/v1/executions", told);
    expect((await list())[0]).toMatchObject({ status: "open", reopened: true });
    await own.post(`/api/v1/errors/${id}/ignore`, {});
    expect((await list())[0]).toMatchObject({ status: "ignored" });
    expect((await own.post(`/api/v1/errors/${"0".repeat(16)}/resolve`, {})).status).toBe(404);
    expect((await api.post(`/api/v1/errors/${id}/resolve`, {})).status).toBe(404);
  });
});

it("the fingerprint of an error ignores numbers, ids, quoted text and places, and keeps the words", async () => {
  const ctx = testContext();
  const of = async (message: string | null) => {
    const row = await ctx.db.maybe({
      sql: sql`select error_fingerprint('E', ${message}) as id`,
      row: z.object({ id: z.string() }),
    });
    return row?.id;
  };
  const same = [
    ["Order ab12 missing", "Order cd34 missing"],
    ["at x.ts:12:5", "at x.ts:7:31"],
    ["value -5", "value 5"],
    ["took 1e-5 s", "took 2.5 s"],
    ["run 8f14e45f-ceea-467f-a9c9-1234567890ab", "run ffffffff-ffff-4fff-8fff-ffffffffffff"],
    ["key deadbeefcafe", "key abcdefabcdef"],
    ["no 'a' in \"b\"", "no 'c' in \"d\""],
    ["keine Datei «а»", "keine Datei «б»"],
    ["two  spaces", "two spaces"],
  ] as const;
  for (const [a, b] of same) expect([a, await of(a)]).toEqual([a, await of(b)]);
  const different = ["timeout", "refused", "can't connect", "can't listen", null, "x.ts", "y.ts"];
  const ids = await Promise.all(different.map(of));
  expect(new Set(ids).size).toBe(different.length);
});
