import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import {
  api,
  before,
  by,
  data,
  fillNumbers,
  micros,
  RANGE,
  rows,
  setPriceAndZone,
  W,
} from "../../support/numbers.ts";
import type { RawRow } from "../../support/oracle.ts";

beforeAll(async () => {
  await fillNumbers();
  await setPriceAndZone();
});

describe("leaderboards", () => {
  const scores: Record<string, (list: readonly RawRow[]) => number> = {
    runs: (list) => list.length,
    success_rate: (list) => 0.7 * S(list) + 0.3 * Math.min(list.length, 100),
    speed: (list) => Math.max(0, 100 - D(list)) + 0.3 * S(list),
    efficiency: (list) =>
      0.4 * S(list) + 0.3 * Math.max(0, 100 - C(list) / 10) + 0.3 * Math.max(0, 100 - D(list)),
    popularity: (list) =>
      10 * new Set(list.map((row) => row.user_id)).size + 0.5 * list.length + 0.2 * S(list),
  };
  const S = (list: readonly RawRow[]) =>
    (100 * list.filter((row) => row.status === "success").length) / list.length;
  const D = (list: readonly RawRow[]) =>
    list.reduce((sum, row) => sum + (row.duration_ms ?? 0), 0) / list.length / 1000;
  const C = (list: readonly RawRow[]) => Number(micros(list)) / 1e6 / list.length;

  it.each(Object.keys(scores))(
    "rank agents by %s now and before, page by page, and one alone",
    async (criterion) => {
      const board = await data(`/leaderboards/agents?criteria=${criterion}`);
      const ranked = (list: readonly RawRow[]) =>
        [...by(list, (row) => row.agent_id)]
          .filter(([, of]) => of.length >= 5)
          .map(([id, of]) => ({ id, score: scores[criterion]?.(of) ?? 0, n: of.length }))
          .sort(
            (a, b) => b.score - a.score || b.n - a.n || String(a.id).localeCompare(String(b.id)),
          );
      const [expected, earlier] = [ranked(rows), ranked(before)];
      expect(board.rankings.map((each: { id: string }) => each.id)).toEqual(
        expected.map((each) => each.id),
      );
      board.rankings.forEach(
        (
          each: {
            id: string;
            score: number;
            rank: number;
            previous_rank: number;
            change: number;
            percentile: number;
            badge: string | null;
          },
          index: number,
        ) => {
          expect(each.score).toBeCloseTo(expected[index]?.score ?? 0, 4);
          const previous = earlier.findIndex((old) => old.id === each.id) + 1;
          expect(each).toMatchObject({
            rank: index + 1,
            previous_rank: previous,
            change: previous - (index + 1),
            badge: ["gold", "silver", "bronze"][index] ?? null,
          });
          expect(each.percentile).toBeCloseTo(
            ((expected.length - index) / expected.length) * 100,
            9,
          );
        },
      );
      const alone = await data(
        `/leaderboards/agents/${expected[1]?.id}/rank?criteria=${criterion}`,
      );
      expect(alone).toMatchObject({ ...board.rankings[1], ranked: expected.length });
      const paged: unknown[] = [];
      for (let cursor = ""; ; ) {
        const { body } = await api.get(
          `/api/v1/leaderboards/agents?criteria=${criterion}&limit=1&${RANGE}${cursor}`,
        );
        paged.push(...body.data.rankings);
        if (!body.page.has_more) break;
        cursor = `&cursor=${body.page.next_cursor}`;
      }
      expect(paged).toEqual(board.rankings);
      expect((await api.get(`/api/v1/leaderboards/agents/nobody/rank?${RANGE}`)).status).toBe(404);
    },
  );

  it("rank the workspaces of the token only, growth compared in time", async () => {
    const board = await data("/leaderboards/workspaces?criteria=growth");
    expect(board.rankings.map((each: { id: string }) => each.id).sort()).toEqual([W, "numbers-2"]);
    const own = board.rankings.find((each: { id: string }) => each.id === W);
    expect(own.score).toBeCloseTo((100 * (rows.length - before.length)) / before.length, 9);
    const narrow = clientOf(await tokenFor("numbers-2", { role: "viewer" }));
    expect(
      (await narrow.get(`/api/v1/leaderboards/workspaces?${RANGE}`)).body.data.rankings.map(
        (each: { id: string }) => each.id,
      ),
    ).toEqual(["numbers-2"]);
  });
});
