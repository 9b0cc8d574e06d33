import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { useOwnDatabase } from "../../support/database.ts";

let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor("sizes"));
});

const days = (count: number) =>
  `from=2026-03-01T00:00:00Z&to=2026-03-${String(count + 1).padStart(2, "0")}T00:00:00Z`;
const post = (body: object) =>
  api.post("/api/v1/metrics/query", {
    measures: ["executions"],
    from: "2026-03-01T00:00:00Z",
    to: "2026-03-10T00:00:00Z",
    granularity: "hour",
    ...body,
  });

describe("an answer is measured by the groups that can exist", () => {
  it.each(["status", "hour_of_day", "day_of_week", "status,day_of_week"])(
    "hours of nine days by %s",
    async (group) => {
      const { status } = await api.get(
        `/api/v1/metrics/series?${days(9)}&granularity=hour&group_by=${group}`,
      );
      expect(status).toBe(200);
    },
  );

  it("and that the filters leave", async () => {
    for (const filters of [
      [{ field: "agent", op: "eq", value: "a" }],
      [{ field: "agent", op: "in", value: ["a", "b", "c"] }],
    ])
      expect((await post({ group_by: ["agent", "status"], filters })).status).toBe(200);
    const ne = [{ field: "agent", op: "ne", value: "a" }];
    expect((await post({ group_by: ["agent"], filters: ne })).status).toBe(422);
  });

  it("and one that is too large says how large, and which limit fits", async () => {
    for (const measures of [
      ["executions"],
      ["executions", "successes", "failures", "credits", "duration_p95", "active_users"].concat(
        ...["timeouts", "cancellations", "tokens_in", "tokens_out", "errors", "duration_avg"],
      ),
    ]) {
      const asked = { measures, group_by: ["agent"] };
      const { status, body } = await post(asked);
      const [error] = body.errors;
      expect([status, body.code, error.path]).toEqual([422, "too_many_rows", "limit"]);
      expect(error.amount).toBe(216 * 101 * (error.limit === 200_000 ? measures.length : 1));
      const fitting = Number(/A limit of (\d+) fits/.exec(error.message)?.[1]);
      expect((await post({ ...asked, limit: fitting })).status).toBe(200);
      expect((await post({ ...asked, limit: fitting + 1 })).status).toBe(422);
    }
  });

  it("and says what else there is where no limit fits", async () => {
    const { status, body } = await api.get(
      "/api/v1/metrics/series?from=2000-01-01T00:00:00Z&to=2027-01-01T00:00:00Z&granularity=day&group_by=agent&compare=previous_period",
    );
    expect([status, body.code]).toEqual([422, "too_many_rows"]);
    expect(body.detail).toContain("coarser granularity");
  });
});

it("a day that the zone skipped hinders no question of the days after it", async () => {
  const range = "from=2012-01-10T10:00:00Z&to=2012-01-11T10:00:00Z&timezone=Pacific/Apia";
  for (const path of ["/users/activity", "/executive/overview", "/executive/dashboard"]) {
    const { status, body } = await api.get(`/api/v1${path}?${range}`);
    expect([path, status, body.code]).toEqual([path, 200, undefined]);
  }
  const { body } = await api.get(`/api/v1/users/activity?${range}`);
  expect(body.data.days.map(({ day }: { day: string }) => day)).toEqual(["2012-01-11"]);
  const churn = await api.get(
    "/api/v1/users/churn?to=2012-01-11T10:00:00Z&timezone=Pacific/Apia&window_days=7&windows=3",
  );
  expect(churn.body.data.windows[0].from).toBe("2011-12-21T00:00:00-10:00");
});
