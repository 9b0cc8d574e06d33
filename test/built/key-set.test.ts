import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Instance, startInstance } from "./support/instance.ts";

const pair = await generateKeyPair("RS256", { extractable: true });
const other = await generateKeyPair("RS256", { extractable: true });
let fetches = 0;
const server = createServer(async (_, response) => {
  fetches++;
  const keys = await Promise.all([other, pair].map(({ publicKey }) => exportJWK(publicKey)));
  setTimeout(() => response.end(JSON.stringify({ keys })), 400);
});
let instance: Instance;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  instance = await startInstance({
    bindings: { JWT_JWKS_URL: `http://127.0.0.1:${port}/keys.json` },
  });
});
afterAll(async () => {
  await instance.close();
  server.closeAllConnections();
  server.close();
});

const tokens = (count: number) =>
  Promise.all(
    Array.from({ length: count }, (_, index) =>
      new SignJWT({ workspaces: ["keys"] })
        .setProtectedHeader({ alg: "RS256" })
        .setSubject(`user ${index}`)
        .setExpirationTime("1h")
        .sign(pair.privateKey),
    ),
  );
const status = async (token: string, init: RequestInit = {}) => {
  const headers = { authorization: `Bearer ${token}` };
  const url = `${instance.url}/api/v1/metrics/summary?timeframe=7d`;
  const answer = await fetch(url, { headers, ...init });
  await answer.text();
  return answer.status;
};

it("is fetched for all who wait, also when the one that fetches leaves, and its keys are nobody's alone", async () => {
  const leaving = new AbortController();
  const [gone = "", ...rest] = await tokens(9);
  const first = status(gone, { signal: leaving.signal }).catch(() => undefined);
  setTimeout(() => leaving.abort(), 100);
  const statuses = await Promise.all(rest.map((token) => status(token)));
  await first;
  expect(statuses).toEqual(Array(8).fill(200));
  expect(fetches).toBeLessThanOrEqual(2);

  const warm = await tokens(400);
  const later: number[] = [];
  for (let from = 0; from < warm.length; from += 8)
    later.push(...(await Promise.all(warm.slice(from, from + 8).map((token) => status(token)))));
  expect(later.filter((each) => each !== 200)).toEqual([]);
  expect(fetches).toBeLessThanOrEqual(2);
});
