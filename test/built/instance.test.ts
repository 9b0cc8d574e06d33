import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());

it("answers over HTTP what was sent over HTTP, also after the crons", async () => {
  const headers = {
    authorization: `Bearer ${await instance.token("first")}`,
    "content-type": "application/json",
  };
  const sent = await fetch(`${instance.url}/api/v1/executions`, {
    method: "POST",
    headers,
    body: JSON.stringify({
      id: "e1",
      agent_id: "a",
      user_id: "u",
      status: "success",
      started_at: "2026-03-01T10:00:00Z",
    }),
  });
  expect(sent.status).toBe(201);
  const asked = async () => {
    const range = "from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z";
    const answer = await fetch(`${instance.url}/api/v1/metrics/summary?${range}`, {
      headers: { ...headers, "cache-control": "no-cache" },
    });
    return ((await answer.json()) as { data: unknown }).data;
  };
  expect(await asked()).toMatchObject({ executions: 1, active_users: 1 });
  for (const cron of ["5 * * * *", "0 1 * * *"]) await instance.cron(cron);
  expect(await asked()).toMatchObject({ executions: 1, active_users: 1 });
});
