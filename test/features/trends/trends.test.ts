import { beforeAll, expect, it } from "vitest";
import { executionIntake } from "../../../src/features/executions/ingest.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { testContext } from "../../support/context.ts";
import { useOwnDatabase } from "../../support/database.ts";
import { store } from "../../support/store.ts";

const W = "trends";
let api: ReturnType<typeof clientOf>;
/** Runs of each day from 2026-07-01: a slow rise, fewer at the weekend, and a jump on the 50th day. */
const counts = Array.from(
  { length: 84 },
  (_, day) =>
    10 + Math.floor(day / 10) + ([3, 4].includes(day % 7) ? -6 : 0) + (day >= 50 ? 20 : 0),
);

beforeAll(async () => {
  await useOwnDatabase();
  const items = counts.flatMap((count, day) =>
    Array.from({ length: count }, (_, n) => ({
      id: `t${day}-${n}`,
      agent_id: "a",
      user_id: "u",
      status: "success",
      started_at: new Date(Date.UTC(2026, 6, 1 + day, 12, n)).toISOString(),
    })),
  );
  await store(executionIntake(testContext(), W), items);
  api = clientOf(await tokenFor(W));
});

const ask = async (query: string) => {
  const { status, body } = await api.get(`/api/v1/trends/executions?${query}`);
  expect([query, status]).toEqual([query, 200]);
  return body.data;
};

it("a trend shows the rise, the jump and the week of a series, with the numbers behind its words", async () => {
  const trend = await ask("from=2026-07-01T00:00:00Z&to=2026-09-23T00:00:00Z");
  expect(trend.points.map((point: { value: number }) => point.value)).toEqual(counts);
  expect(trend.direction).toMatchObject({ trend: "up", method: "normal", points: 84 });
  expect(
    trend.change_points.map((change: { bucket: string }) => change.bucket.slice(0, 10)),
  ).toContain("2026-08-20");
  expect(trend.seasonality).toMatchObject({ period: 7, detected: true });
  trend.decomposition.forEach(
    (part: { trend: number; seasonal: number; remainder: number }, index: number) => {
      expect(part.trend + part.seasonal + part.remainder).toBeCloseTo(counts[index] ?? 0, 9);
    },
  );
  expect(trend.moving_averages[6].sma).toBeCloseTo(
    counts.slice(0, 7).reduce((a, b) => a + b, 0) / 7,
    12,
  );
  expect(trend.insights.map((insight: { kind: string }) => insight.kind)).toEqual(
    expect.arrayContaining(["direction", "change_point", "seasonality"]),
  );
  for (const insight of trend.insights)
    expect(Object.keys(insight.evidence).length).toBeGreaterThan(0);
  expect(trend.not_tested).toEqual([]);
});

it("a trend works from three points on and says what it could not test", async () => {
  const three = await ask("from=2026-07-01T00:00:00Z&to=2026-07-04T00:00:00Z&granularity=day");
  expect(three.direction).toMatchObject({ method: null, points: 3 });
  expect(three.not_tested.map((each: { what: string }) => each.what).sort()).toEqual([
    "change_points",
    "direction",
    "moving_averages",
    "seasonality",
  ]);
  const rising = await ask("from=2026-07-30T00:00:00Z&to=2026-08-02T00:00:00Z&granularity=day");
  expect(rising.direction).toMatchObject({ method: "exact", points: 3, trend: "none" });
  expect(rising.not_tested.map((each: { what: string }) => each.what)).not.toContain("direction");
  const none = await ask("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&granularity=day");
  expect(none.direction.reason).toContain("At least 3");
});

it("a trend judges only whole buckets", async () => {
  const cut = await ask("from=2026-07-01T13:00:00Z&to=2026-07-20T12:30:00Z&granularity=day");
  expect(cut.points.map((point: { complete: boolean }) => point.complete)).toEqual([
    false,
    ...new Array(18).fill(true),
    false,
  ]);
  expect(cut.direction.points).toBe(18);
});

it("a trend has the same answer at /metrics/trends, and refuses more buckets than it can compare", async () => {
  const range = "from=2026-07-01T00:00:00Z&to=2026-09-23T00:00:00Z";
  expect((await api.get(`/api/v1/metrics/trends?measure=executions&${range}`)).body.data).toEqual(
    await ask(range),
  );
  const { status, body } = await api.get(`/api/v1/trends/executions?${range}&granularity=hour`);
  expect([status, body.code]).toEqual([422, "too_many_buckets"]);
  expect((await api.get(`/api/v1/trends/colour?${range}`)).status).toBe(400);
});
