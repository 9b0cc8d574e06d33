import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());

it("reaches every id over HTTP, also those that a path would lose or take for a route", async () => {
  const headers = {
    authorization: `Bearer ${await instance.token("ids", { sub: "auth0|x" })}`,
    "content-type": "application/json",
  };
  const inPaths = ["alice@example.com", "auth0|x", "org/1", "a b", "Jürgen", "%2e%2e", "a?b#c"];
  const placed = [".", "..", "activity", "cohorts", "_"];
  const executions = [...inPaths, ...placed].map((id) => ({
    id,
    agent_id: id,
    user_id: id,
    status: "success",
    started_at: "2026-03-01T10:00:00Z",
  }));
  const sent = await fetch(`${instance.url}/api/v1/executions`, {
    method: "POST",
    headers,
    body: JSON.stringify({ executions }),
  });
  expect(sent.status).toBe(207);
  const idAt = async (path: string) => {
    const answer = await fetch(`${instance.url}/api/v1${path}`, { headers });
    const { data } = (await answer.json()) as { data?: { id?: string } };
    return [answer.status, data?.id];
  };
  for (const kind of ["executions", "users", "agents"]) {
    for (const id of inPaths)
      expect(await idAt(`/${kind}/${encodeURIComponent(id)}`)).toEqual([200, id]);
    for (const id of [...inPaths, ...placed])
      expect(await idAt(`/${kind}/_?id=${encodeURIComponent(id)}`)).toEqual([200, id]);
  }
});
