import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import type { RecordedAnswer } from "../../../dev/record-answers.ts";
import { readBody } from "../../../dev/record-body.ts";
import { compareRecordings } from "../../../dev/record-compare.ts";
import { RecordedNames } from "../../../dev/record-names.ts";

const folder = mkdtempSync(path.join(tmpdir(), "shadower-record-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ANSWER: RecordedAnswer = {
  request: "GET /api/v1/agents",
  operation: "GET /api/v1/agents",
  status: 200,
  headers: { "content-type": "application/json", "cache-control": "private, no-store" },
  body: '{"data":[{"id":"a","executions":3}],"meta":{"exact":true}}',
};

/** The lines that the comparison of two recordings prints, and how many answers it says differ. */
function compared(before: RecordedAnswer[], after: RecordedAnswer[]) {
  const [a = "", b = ""] = ["a.json", "b.json"].map((name) => path.join(folder, name));
  writeFileSync(a, JSON.stringify(before));
  writeFileSync(b, JSON.stringify(after));
  const lines: string[] = [];
  const differing = compareRecordings([a, b], (line) => lines.push(line));
  return { differing, text: lines.join("\n") };
}

it("tells two recordings with the same bytes from none", () => {
  const { differing, text } = compared([ANSWER], [ANSWER]);
  expect(differing).toBe(0);
  expect(text).toBe("1 and 1 answers, 0 differ");
});

it("names the status, the header, the value, the bytes and the order that have changed", () => {
  const changes: [Partial<RecordedAnswer>, string][] = [
    [{ status: 404 }, "status: 200 -> 404"],
    [{ headers: { ...ANSWER.headers, etag: '"x"' } }, 'headers.etag: nothing -> "x"'],
    [{ body: ANSWER.body.replace("3", "4") }, ".data.0.executions: 3 -> 4"],
    [{ sha256: "b0" }, "bytes: undefined -> b0"],
    [{ body: '{"meta":{"exact":true},"data":[{"id":"a","executions":3}]}' }, 'line 1: {"data"'],
    [{ body: `${ANSWER.body} ` }, "line 1: "],
  ];
  for (const [change, words] of changes) {
    const { differing, text } = compared([ANSWER], [{ ...ANSWER, ...change }]);
    expect([change, differing]).toEqual([change, 1]);
    expect(text).toContain(words);
    expect(text).toContain("GET /api/v1/agents: 1 differ");
  }
});

it("names what only one of two recordings has", () => {
  const other = { ...ANSWER, request: "GET /api/v1/users", operation: "GET /api/v1/users" };
  const { differing, text } = compared([ANSWER], [ANSWER, other]);
  expect(differing).toBe(1);
  expect(text).toMatch(/GET \/api\/v1\/users\n {4}only in .*b\.json/);
});

it("gives an id the name of the place where it is first seen, wherever else ids are added", () => {
  const [first, second, added] = [1, 2, 3].map((n) => `0199c0de-0000-7000-8000-00000000000${n}`);
  const told = (early: string) => {
    const names = new RecordedNames(new Map([["127.0.0.1:8787", "<host>"]]));
    names.normalize(early, "0");
    return [
      names.normalize(`made ${second} at 127.0.0.1:8787`, "1"),
      names.normalize(`${second} ${first}`, "2"),
    ];
  };
  const expected = ["made <id 1.1> at <host>", "<id 1.1> <id 0.1>"];
  expect(told(`${first}`)).toEqual(expected);
  expect(told(`${first} ${added}`)).toEqual(expected);
});

it("compares what cursors and signed texts say, and not what is drawn at random in them", () => {
  const tell = (id: string, signature: string) => {
    const base64 = (text: string) => Buffer.from(text).toString("base64url");
    const cursor = base64(JSON.stringify(["2031-04-03T00:00:00Z", id]));
    const claims = base64(JSON.stringify({ sub: id, exp: 1 }));
    const text = `${cursor} ${base64('{"alg":"HS256"}')}.${claims}.${signature.repeat(43)}`;
    return new RecordedNames(new Map()).normalize(text, "5");
  };
  const told = tell("0199c0de-0000-7000-8000-000000000001", "a");
  expect(told).toBe(
    '<cursor ["2031-04-03T00:00:00Z","<id 5.1>"]> <signed {"sub":"<id 5.1>","exp":1}>',
  );
  expect(tell("0199c0de-0000-7000-8000-000000000002", "b")).toBe(told);
});

it("keeps a text as it is, and a digest of what is none", async () => {
  expect(await readBody("application/json", Buffer.from('{"a":"é"}'), true)).toEqual({
    text: '{"a":"é"}',
  });
  const part = await readBody("application/gzip", Buffer.from([0x1f, 0x8b, 1]), false);
  expect(part).toEqual({
    text: "3 bytes of application/gzip",
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
});
