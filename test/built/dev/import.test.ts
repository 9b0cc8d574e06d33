import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";

const ROWS = 12_000;
const folder = mkdtempSync(path.join(tmpdir(), "shadower ïmport-"));
const file = path.join(folder, "two words.csv");
type Reply = (response: ServerResponse) => void;

/**
 * The deeds of the stand-in for an instance with each request, in this order; after that it takes
 * everything.
 */
let replies: Reply[] = [];
let requests: string[][] = [];
const take: Reply = (response) => {
  const created = requests.at(-1)?.length ?? 0;
  response.writeHead(207, { "content-type": "application/json" });
  response.end(JSON.stringify({ data: { counts: { created }, results: [] } }));
};
const refuse =
  (status: number): Reply =>
  (response) =>
    response.writeHead(status, { "retry-after": "0" }).end("{}");
const drop: Reply = (response) => response.destroy();

const server = createServer(async (request, response) => {
  const lines = gunzipSync(await buffer(request))
    .toString()
    .split("\n");
  requests.push(lines.map((line) => (JSON.parse(line) as { id: string }).id));
  (replies.shift() ?? take)(response);
});

beforeAll(async () => {
  const rows = Array.from({ length: ROWS }, (_, n) => `r${n},a,u,success,2026-03-01T10:00:00Z`);
  writeFileSync(file, ["id,agent_id,user_id,status,started_at", ...rows].join("\n"));
  await once(server.listen(0, "127.0.0.1"), "listening");
});
beforeEach(() => {
  requests = [];
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function importer(...more: string[]) {
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, ["dev/import.ts", file, "--url", url, ...more], {
    env: { ...process.env, DATA_DIR: path.join(folder, "data") },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, said }));
  return { child, ended };
}
const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `r${from + n}`);

it("the importer sends rows again that were answered by 503 or 429, or not at all, and every row once beside that", async () => {
  replies = [refuse(503), take, refuse(429), drop, take];
  const { code, said } = await importer().ended;
  expect([code, said]).toEqual([0, expect.stringContaining(`created ${ROWS}`)]);
  expect(requests.map(([first]) => first)).toEqual([
    "r0",
    "r0",
    "r5000",
    "r5000",
    "r5000",
    "r10000",
  ]);
  expect(said).toContain("The server answered 503");
});

it("the importer resumes after the last answered row when it was killed", async () => {
  const held = new Promise<void>((resolve) => {
    replies = [take, () => resolve()];
  });
  const { child, ended } = importer("--restart");
  await held;
  child.kill("SIGKILL");
  await ended;
  requests = [];
  const { code, said } = await importer().ended;
  expect([code, said]).toEqual([0, expect.stringContaining("Resuming after row 5000")]);
  expect(requests.flat()).toEqual(ids(5000, ROWS));
  expect(said).toContain(`created ${ROWS}`);
});

it("the importer ends at once for an answer that stays the same, and for an instance that was not started", async () => {
  replies = [refuse(403)];
  expect(await importer("--restart").ended).toMatchObject({ code: 1 });
  expect(requests).toHaveLength(1);
  replies = [drop];
  expect(await importer("--restart").ended).toMatchObject({ code: 1 });
  expect(requests).toHaveLength(2);
});
