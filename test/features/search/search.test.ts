import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { api, fillNumbers, W } from "../../support/numbers.ts";

beforeAll(async () => {
  await fillNumbers();
  const { status } = await api.patch("/api/v1/agents/a3", { name: "Writer of tests" });
  expect(status).toBe(200);
});

describe("agents, users, executions and errors", () => {
  it("are found by search, within the workspace", async () => {
    const find = async (q: string) =>
      (await api.get(`/api/v1/search?q=${encodeURIComponent(q)}`)).body.data.results;
    expect((await find("a3")).agents[0]).toMatchObject({
      id: "a3",
      score: 3,
      href: `/api/v1/agents/a3?workspace_id=${W}`,
    });
    expect((await find("tests")).agents[0]).toMatchObject({ id: "a3", title: "Writer of tests" });
    expect((await find("u1")).users.map((hit: { id: string }) => hit.id)).toContain("u1");
    expect((await find("n299")).executions.map((hit: { id: string }) => hit.id)).toEqual([
      "n299",
      ...Array.from({ length: 9 }, (_, n) => `n299${n}`),
    ]);
    expect((await find("tool fail")).errors).toHaveLength(2);
    expect((await find("RateLimit")).errors[0]).toMatchObject({ title: "RateLimit", score: 3 });
    for (const q of ["'; drop table x; --", ":*", "%", "\\", "()", "!&|"])
      expect((await api.get(`/api/v1/search?q=${encodeURIComponent(q)}`)).status).toBe(200);
    const stranger = clientOf(await tokenFor("numbers-stranger"));
    expect((await stranger.get("/api/v1/search?q=a3")).body.data.total).toBe(0);
  });
});
