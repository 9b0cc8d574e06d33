import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

let instance: Instance;
beforeAll(async () => {
  instance = await startInstance();
});
afterAll(() => instance.close());

const BODY = JSON.stringify({ metadata: { a: "x".repeat(10 * 1024 * 1024) } });

it.each([
  ["too large", "PATCH", "/executions/e1", true, 413],
  ["without a token", "POST", "/executions", false, 401],
  ["too large for a question", "POST", "/metrics/query", true, 413],
  ["of no route", "POST", "/nowhere", true, 404],
])(
  "A request of ten megabytes that is refused (%s) gets its answer, ten at once",
  async (_, method, path, known, status) => {
    const authorization = known ? `Bearer ${await instance.token("refused")}` : "";
    const headers = { authorization, "content-type": "application/json" };
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const answer = await fetch(`${instance.url}/api/v1${path}`, {
          method,
          headers,
          body: BODY,
        });
        return [answer.status, (await answer.text()).includes('"code"')];
      }),
    );
    expect(answers).toEqual(Array(10).fill([status, true]));
  },
);
