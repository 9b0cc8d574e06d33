import { beforeAll, describe, expect, it } from "vitest";
import { api, fillMachineRuns, get, runs } from "../../support/machine-runs.ts";

beforeAll(fillMachineRuns);

describe("the user of an execution", () => {
  const base = { agent_id: "a", started_at: "2026-08-01T00:00:00Z" };
  const send = async (item: object) =>
    (await api.post("/api/v1/executions", { ...base, ...item })).body.data.results[0];

  it("may be said by any message, but only once, and is kept by those that do not say it", async () => {
    expect((await send({ id: "said", status: "running" })).result).toBe("created");
    expect((await get("/executions/said")).data.user_id).toBeNull();
    expect((await send({ id: "said", status: "success" })).result).toBe("updated");
    expect((await send({ id: "said", status: "running", user_id: "u" })).result).toBe("updated");
    expect((await send({ id: "said", status: "running", user_id: "u" })).result).toBe("duplicate");
    expect((await send({ id: "said", status: "success", user_id: null })).result).toBe("duplicate");
    expect(await send({ id: "said", status: "success", user_id: "v" })).toMatchObject({
      result: "conflict",
      path: "user_id",
    });
    expect((await get("/executions/said")).data).toMatchObject({ user_id: "u", status: "success" });
  });

  it("is taken away by a correction, and filters find those that have none", async () => {
    await send({ id: "taken", status: "success", user_id: "u" });
    const { body } = await api.patch("/api/v1/executions/taken", { user_id: null });
    expect(body.data).toMatchObject({ user_id: null, revision: 1 });
    const count = async (filter: object) => {
      const answer = await api.post("/api/v1/metrics/query", {
        measures: ["executions"],
        from: "2026-10-05T00:00:00Z",
        to: "2026-10-11T00:00:00Z",
        filters: [{ field: "user", ...filter }],
      });
      return answer.body.data.totals.executions;
    };
    const machine = runs.filter((run) => run.user_id === undefined).length;
    expect(await count({ op: "exists", value: false })).toBe(machine);
    expect(await count({ op: "exists", value: true })).toBe(runs.length - machine);
    expect(await count({ op: "ne", value: "u1" })).toBe(
      runs.filter((run) => run.user_id !== "u1").length,
    );
  });
});
