import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { workbookOf } from "../../../src/formats/xlsx.ts";
import { clientOf, tokenFor } from "../../support/client.ts";
import { useOwnDatabase } from "../../support/database.ts";

const W = "lossless";
let api: ReturnType<typeof clientOf>;
let token: string;
beforeAll(async () => {
  await useOwnDatabase();
  token = await tokenFor(W);
  api = clientOf(token);
});

const STARTED = '"started_at":"2026-10-01T10:00:00Z"';
const run = (id: string, more: string) =>
  `{"id":"${id}","agent_id":"a","user_id":"u","status":"success",${STARTED}${more ? `,${more}` : ""}}`;
const post = (body: string | Uint8Array, headers = {}) =>
  api.post("/api/v1/executions", body, headers);
const NDJSON = { "content-type": "application/x-ndjson" };
/** The answer's own text: a client's JSON.parse would round it. */
const textOf = async (path: string) => {
  const { exports } = await import("cloudflare:workers");
  const request = new Request(`https://shadower.test/api/v1${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await exports.default.fetch(request)).text();
};

describe("a number of metadata and properties", () => {
  const DOCUMENT =
    '{"snowflake":1546130668394913822,"pi":3.141592653589793238462643,"small":0.0000001,"list":[{"n":-90071992547409931}]}';

  it.each([
    ["one object", (id: string) => post(run(id, `"metadata":${DOCUMENT}`))],
    ["a batch", (id: string) => post(`{"executions":[${run(id, `"metadata":${DOCUMENT}`)}]}`)],
    ["a stream", (id: string) => post(run(id, `"metadata":${DOCUMENT}`), NDJSON)],
  ])("keeps all of its digits in %s", async (name, send) => {
    const id = name.replaceAll(" ", "-");
    expect((await send(id)).body.data.counts.created).toBe(1);
    const text = await textOf(`/executions/${id}`);
    for (const digits of DOCUMENT.match(/-?\d[\d.]+/g) ?? []) expect(text).toContain(digits);
    expect((await post(run(id, `"metadata":${DOCUMENT}`))).status).toBe(200);
    const other = DOCUMENT.replace("822", "823");
    const conflict = await post(run(id, `"metadata":${other}`));
    expect([conflict.status, conflict.body.data.results[0].path]).toEqual([409, "metadata"]);
  });

  it("keeps them through a correction, and in events", async () => {
    await post(run("corrected", '"metadata":{"a":1}'));
    const { status } = await api.send("/api/v1/executions/corrected", {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: `{"metadata":${DOCUMENT}}`,
    });
    expect(status).toBe(200);
    expect(await textOf("/executions/corrected")).toContain("1546130668394913822");
    const event = `{"id":"e","event_type":"x","user_id":"u","occurred_at":"2026-10-01T10:00:00Z","properties":${DOCUMENT}}`;
    expect((await api.post("/api/v1/events", event)).status).toBe(201);
    expect(await textOf("/events")).toContain("1546130668394913822");
    const conflict = await api.post("/api/v1/events", event.replace("822", "823"));
    expect(conflict.status).toBe(409);
  });

  it("is refused with its path when it is beyond what can be kept", async () => {
    const bad = run("big", '"metadata":{"ok":1,"big":{"x":1e400}}');
    const expected = {
      id: "big",
      result: "invalid",
      code: "number_out_of_range",
      path: "metadata.big.x",
    };
    const single = await post(bad);
    expect([single.status, single.body.data.results]).toMatchObject([422, [expected]]);
    const batch = await post(`{"executions":[${run("fine", "")},${bad},${run("fine2", "")}]}`);
    expect(batch.body.data.results).toMatchObject([
      { id: "fine", result: "created" },
      expected,
      { id: "fine2", result: "created" },
    ]);
    const stream = await post(`${run("fine3", "")}\n${bad}`, NDJSON);
    expect(stream.body.data.results).toMatchObject([{ ...expected, line: 2 }]);
    expect((await api.get("/api/v1/executions/big")).status).toBe(404);
    const patched = await api.send("/api/v1/executions/fine", {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: '{"metadata":{"a":1e999}}',
    });
    expect([patched.status, patched.body.errors]).toMatchObject([
      400,
      [{ path: "json.metadata.a", code: "number_out_of_range" }],
    ]);
  });

  it("counts with its written-out digits against the size of a document", async () => {
    const list = Array.from({ length: 100 }, () => "1e300").join(",");
    const { status, body } = await post(run("long", `"metadata":{"a":[${list}]}`));
    expect([status, body.data.results[0].code]).toEqual([422, "too_large"]);
  });
});

describe("a number of an execution itself", () => {
  it.each([
    ['"tokens_in":9007199254740993', 422, "tokens_in"],
    ['"duration_ms":1.0', 201, undefined],
    ['"duration_ms":1e3', 201, undefined],
    ['"duration_ms":1000000000000.5', 422, "duration_ms"],
    ['"revision":99999999999999999999', 422, "revision"],
    ['"credits":0.1234567', 422, "credits"],
    ['"credits":"0.1234567"', 422, "credits"],
    ['"credits":0.30000000000000004', 422, "credits"],
    ['"credits":1e-7', 422, "credits"],
    ['"credits":-1', 422, "credits"],
    ['"credits":12345678901.123456', 201, "12345678901.123456"],
    ['"credits":"12345678901.123456"', 201, "12345678901.123456"],
    ['"credits":0.12500000', 201, "0.125000"],
    ['"credits":"0.12500000"', 201, "0.125000"],
    ['"credits":1.5e3', 201, "1500.000000"],
  ])("%s is kept as it is or refused: %i", async (field, status, outcome) => {
    const id = `number-${field.replace(/\W/g, "_")}`;
    const answer = await post(run(id, field));
    expect([field, answer.status]).toEqual([field, status]);
    if (status === 422) expect(answer.body.data.results[0].path).toBe(outcome);
    else if (outcome)
      expect((await api.get(`/api/v1/executions/${id}`)).body.data.credits).toBe(outcome);
  });
});

describe("a key", () => {
  it("that is called __proto__ is kept wherever metadata goes", async () => {
    const document = '{"__proto__":{"polluted":true},"constructor":1}';
    expect((await post(run("proto", `"metadata":${document}`))).status).toBe(201);
    expect(await textOf("/executions/proto")).toContain(`"__proto__":{"polluted":true}`);
    expect(await textOf("/executions?metadata.constructor=1")).toContain("__proto__");
    const event = `{"id":"proto","event_type":"p","user_id":"u","occurred_at":"2026-10-01T10:00:00Z","properties":${document}}`;
    expect((await api.post("/api/v1/events", event)).status).toBe(201);
    expect(await textOf("/events?event_type=p")).toContain(`"__proto__":{"polluted":true}`);
  });

  it("that is called __proto__ is refused where there is no such field", async () => {
    for (const [field, path] of [
      ['"__proto__":{"a":1}', "__proto__"],
      ['"error":{"type":"E","__proto__":1}', "error.__proto__"],
    ]) {
      const { status, body } = await post(run("hidden", field ?? ""));
      expect([status, body.data.results[0].path, body.data.results[0].code]).toEqual([
        422,
        path,
        "unknown_field",
      ]);
    }
    const { status, body } = await api.post(
      "/api/v1/metrics/query",
      '{"measures":["executions"],"timeframe":"7d","__proto__":{"limit":1}}',
    );
    expect([status, body.errors[0].path]).toEqual([400, "json.__proto__"]);
  });

  it("that comes twice is refused, with its path", async () => {
    const twice = run("twice", '"metadata":{"a":1,"b":{"c":1,"c":2}}');
    expect((await post(twice)).body.data.results).toMatchObject([
      { id: "twice", result: "invalid", code: "duplicate_key", path: "metadata.b.c" },
    ]);
    expect((await post(twice, NDJSON)).body.data.results).toMatchObject([
      { line: 1, code: "duplicate_key", path: "metadata.b.c" },
    ]);
    expect((await post(run("twice", '"status":"failure"'))).status).toBe(422);
    const whole = await post(`{"executions":[],"executions":[${twice}]}`);
    expect([whole.status, whole.body.errors[0].code]).toEqual([400, "duplicate_key"]);
    const { status } = await api.post(
      "/api/v1/metrics/query",
      '{"measures":["executions"],"timeframe":"7d","timeframe":"1h"}',
    );
    expect(status).toBe(400);
  });
});

describe("bytes that are no UTF-8", () => {
  const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

  it("make their line invalid, wherever it is, and no other", async () => {
    const lines = [
      run("u1", ""),
      run("u2", '"model":"\xff"'),
      run("u3", '"model":"\xc3\xa9"'),
      `\xed\xa0\x80`,
    ];
    const { body } = await post(bytes(lines.join("\n")), NDJSON);
    expect(body.data.counts).toMatchObject({ created: 2, invalid: 2 });
    expect(body.data.results).toMatchObject([
      { line: 2, code: "invalid_utf8" },
      { line: 4, code: "invalid_utf8" },
    ]);
    expect((await api.get("/api/v1/executions/u3")).body.data.model).toBe("é");
    expect((await api.get("/api/v1/executions/u2")).status).toBe(404);
  });

  it("make every other body malformed", async () => {
    for (const [method, path] of [
      ["POST", "/executions"],
      ["POST", "/events"],
      ["POST", "/metrics/query"],
      ["PATCH", "/executions/u1"],
      ["POST", "/funnels"],
    ] as const) {
      const { status } = await api.send(`/api/v1${path}`, {
        method,
        headers: { "content-type": "application/json" },
        body: bytes('{"name":"\xff"}'),
      });
      expect([path, status]).toEqual([path, 400]);
    }
  });

  it("may be a character that a chunk cuts, a byte order mark, or U+FFFD itself", async () => {
    const text = `\ufeff${run("c0", "")}\r\n${run("c1", '"model":"漢字😀\ufffd"')}\n\n${run("c2", "")}`;
    const whole = new TextEncoder().encode(text);
    const body = new ReadableStream({
      start(controller) {
        for (const byte of whole) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    const answer = await api.send("/api/v1/executions", { method: "POST", headers: NDJSON, body });
    expect(answer.body.data.counts).toMatchObject({ created: 3, invalid: 0 });
    expect((await api.get("/api/v1/executions/c1")).body.data.model).toBe("漢字😀\ufffd");
  });
});

it("writes what XML forbids into a workbook as other readers read it", async () => {
  const texts = [
    "a\ufffeb",
    "\uffff",
    "c\u0001d",
    "_x0041_",
    "_x005F_x0041_",
    "tab\there",
    "漢字😀",
    "__proto__",
  ];
  const name = "head\ufffe";
  const file = await workbookOf([
    {
      name: "Sheet\uffff",
      columns: [
        { name, kind: "text" },
        { name: "json", kind: "json" },
      ],
      rows: texts.map((text) => ({ [name]: text, json: Object.fromEntries([[text, text]]) })),
    },
  ]);
  const answer = await fetch(`${env.READER}/xlsx`, { method: "POST", body: file });
  expect(answer.status).toBe(200);
  const [{ sheet, data }] = (await answer.json()) as [{ sheet: string; data: string[][] }];
  expect(sheet).toBe("Sheet\ufffd");
  expect(data).toEqual([
    [name, "json"],
    ...texts.map((text) => [text, JSON.stringify(Object.fromEntries([[text, text]]))]),
  ]);
});
