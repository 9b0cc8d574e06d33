import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { clientOf } from "../../support/client.ts";

const client = clientOf("");

it("/ready answers 503 and names the database when that accepts connections and never answers", async () => {
  env.NEON_ENDPOINT = await (await fetch(`${env.READER}/stalled`)).json();
  const answer = await client.get("/ready");
  expect(answer.status).toBe(503);
  const checks = answer.body.checks as { name: string; ok: boolean }[];
  expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(["database"]);
  expect((await client.get("/health")).status).toBe(200);
});
