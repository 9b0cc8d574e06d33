import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../support/client.ts";
import { useOwnDatabase } from "../support/database.ts";

let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor("budgets"));
});

const range = (from: string, to: string) => `from=${from}T00:00:00Z&to=${to}T00:00:00Z`;
const CENTURIES = range("1970-01-05", "2161-06-01");
const DECADES = range("1999-04-01", "2026-05-01");

describe("work that is too much is refused before it is done, with its amount and the limit", () => {
  it.each([
    [`/metrics/series?${CENTURIES}&granularity=week&group_by=hour_of_day`, 1_677_816, 43_920],
    [`/metrics/series?${CENTURIES}&granularity=hour`, 1_677_816, 10_000],
    [`/metrics/breakdown?${CENTURIES}&group_by=hour_of_day`, 1_677_816, 43_920],
    [`/metrics/breakdown?${CENTURIES}&group_by=day_of_week`, 69_909, 43_920],
    [`/metrics/series?${DECADES}&granularity=minute`, 14_244_480, 10_000],
    [`/users/activity?${CENTURIES}`, 69_939, 10_000],
    [`/errors/timeline?${CENTURIES}&granularity=day`, 69_909, 10_000],
    [`/executive/trends?${DECADES}`, 9_892, 2_000],
    [`/executive/dashboard?${DECADES}`, 9_892, 2_000],
    [`/trends/executions?${DECADES}&granularity=day`, 9_892, 2_000],
  ])("GET %s", async (path, amount, limit) => {
    const { status, body } = await api.get(`/api/v1${path}`);
    expect([status, body.errors?.[0]]).toMatchObject([422, { amount, limit }]);
    expect(body.detail).toContain(`${amount}`);
  });
});
