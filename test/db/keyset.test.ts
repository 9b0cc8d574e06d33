import { beforeAll, describe, expect, it } from "vitest";
import { eventIntake } from "../../src/features/events/ingest.ts";
import { executionIntake } from "../../src/features/executions/ingest.ts";
import { clientOf, tokenFor } from "../support/client.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { readable } from "../support/exported.ts";
import { store } from "../support/store.ts";

const W = "pages";
const ROWS = 400;
/** Three bytes a character, and unlike one another, so that compression hides nothing. */
const text = (n: number, length: number) =>
  Array.from({ length }, (_, i) =>
    String.fromCharCode(0x4e00 + ((n * 31 + i * 17 + ((i * i) % 97)) % 20_000)),
  ).join("");
let api: ReturnType<typeof clientOf>;

beforeAll(async () => {
  await useOwnDatabase();
  const ctx = testContext();
  const at = (n: number) =>
    new Date(Date.UTC(2026, 4, 1) + Math.floor(n / 7) * 60_000).toISOString();
  const numbers = Array.from({ length: ROWS }, (_, n) => n);
  await store(
    executionIntake(ctx, W),
    numbers.map((n) => ({
      id: `x${n}`,
      agent_id: "a",
      user_id: "u",
      status: "failure",
      started_at: at(n),
      error: { type: `T${n}`, message: text(n, 8_000) },
      metadata: { text: text(n, 5_000), n },
    })),
  );
  await store(
    eventIntake(ctx, W),
    numbers.map((n) => ({
      id: `v${n}`,
      event_type: "t",
      user_id: "u",
      occurred_at: at(n),
      properties: { text: text(n, 5_000) },
    })),
  );
  api = clientOf(await tokenFor(W));
});

const LISTS = [
  ["/api/v1/executions?", "id"],
  ["/api/v1/events?", "id"],
  ["/api/v1/agents/a/executions?", "id"],
  ["/api/v1/errors?from=2026-05-01T00:00:00Z&to=2026-06-01T00:00:00Z&", "error_type"],
] as const;

describe("a page of large rows", () => {
  it.each(LISTS)("of %s ends early and goes on: every row once, in order", async (path, key) => {
    const seen: string[] = [];
    let [pages, cursor] = [0, ""];
    for (; ; pages++) {
      const answer = await api.get(`${path}limit=1000${cursor}`);
      expect(answer.status).toBe(200);
      expect(JSON.stringify(answer.body.data).length).toBeLessThan(3 * 1024 * 1024);
      expect(answer.body.data.length).toBeGreaterThan(0);
      seen.push(...answer.body.data.map((row: Record<string, string>) => row[key]));
      if (!answer.body.page.has_more) break;
      cursor = `&cursor=${answer.body.page.next_cursor}`;
    }
    expect(pages).toBeGreaterThan(1);
    expect(seen).toHaveLength(ROWS);
    expect(new Set(seen).size).toBe(ROWS);
    if (key === "id")
      expect(seen).toEqual(
        [...seen].sort((a, b) => {
          const place = (id: string) => Math.floor(Number(id.slice(1)) / 7);
          return place(b) - place(a) || (a < b ? 1 : -1);
        }),
      );
  });

  it.each(LISTS)(
    "of %s by offset is refused where it would be cut, and names what fits",
    async (path) => {
      const refused = await api.get(`${path}limit=300&skip=0`);
      expect([refused.status, refused.body.code]).toEqual([422, "page_too_large"]);
      const fits = Number(/Only (\d+)/.exec(refused.body.detail)?.[1]);
      const answer = await api.get(`${path}limit=${fits}&skip=0`);
      expect([answer.status, answer.body.data.length]).toEqual([200, fits]);
    },
  );
});

it("an export of errors has every group, however long their messages are", async () => {
  const ctx = testContext();
  const { errorSource } = await import("../../src/features/exports/sources/computed-sources.ts");
  const range = { from: Date.UTC(2026, 4, 1) * 1000, to: Date.UTC(2026, 5, 1) * 1000 };
  const opened = await errorSource.open(
    readable(ctx.db),
    { workspaceId: W, range, timezone: "UTC", filters: [], query: undefined, now: range.to },
    [],
  );
  expect(opened.rows).toBe(ROWS);
});
