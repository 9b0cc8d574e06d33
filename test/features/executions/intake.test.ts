import { beforeAll, describe, expect, it } from "vitest";
import { clientOf, tokenFor } from "../../support/client.ts";
import { useOwnDatabase } from "../../support/database.ts";

const W = "intake";
let api: ReturnType<typeof clientOf>;
beforeAll(async () => {
  await useOwnDatabase();
  api = clientOf(await tokenFor(W));
});

const base = { agent_id: "a", user_id: "u", status: "success", started_at: "2026-10-01T10:00:00Z" };
const send = (body: unknown, headers?: Record<string, string>) =>
  api.post("/api/v1/executions", body, headers);
const ndjson = (lines: (string | object)[]) =>
  send(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"), {
    "content-type": "application/x-ndjson",
  });
const outcomes = (answer: { body: { data: { results: { result: string }[] } } }) =>
  answer.body.data.results.map((each) => each.result);

describe("one item", () => {
  it("is stored as it was said, with the duration derived from its times", async () => {
    const said = {
      ...base,
      id: "full",
      ended_at: "2026-10-01T10:00:01.250Z",
      credits: "0.123456",
      tokens_in: 7,
      tokens_out: 9,
      model: "m",
      parent_execution_id: "p",
      environment: "prod",
      version: "1",
      error: { type: "E", message: "x" },
      metadata: { a: [1, { b: "ü" }] },
    };
    expect(outcomes(await send(said))).toEqual(["created"]);
    const { body } = await api.get("/api/v1/executions/full");
    expect(body.data).toEqual({
      ...said,
      started_at: "2026-10-01T10:00:00.000Z",
      duration_ms: 1250,
      revision: 0,
      stale: false,
    });
  });

  it("without id and start gets both from the server", async () => {
    const { body } = await send({ agent_id: "a", user_id: "u", status: "running" });
    const stored = await api.get(`/api/v1/executions/${body.data.results[0].id}`);
    expect(Math.abs(Date.parse(stored.body.data.started_at) - Date.now())).toBeLessThan(60_000);
  });

  it("may end a known execution without saying when it started, before or after it in one batch", async () => {
    const { started_at: _, ...end } = { ...base, id: "later" };
    expect(outcomes(await send(end))).toEqual(["invalid"]);
    const start = { ...base, id: "later", status: "running" };
    expect(outcomes(await send({ executions: [start, end] }))).toEqual(["created", "updated"]);
    expect((await api.get("/api/v1/executions/later")).body.data.status).toBe("success");
    expect(
      outcomes(
        await ndjson([
          { ...start, id: "later2" },
          { ...end, id: "later2" },
        ]).then((answer) => ({
          body: { data: { results: [{ result: JSON.stringify(answer.body.data.counts) }] } },
        })),
      ),
    ).toEqual([JSON.stringify({ created: 1, updated: 1, duplicate: 0, conflict: 0, invalid: 0 })]);
  });
});

describe("a single object", () => {
  it("is answered by its own outcome as a status, with the body of a batch", async () => {
    const { started_at: _, ...unknown } = { ...base, id: "status-2" };
    const told: [object, number, string][] = [
      [{ ...base, id: "status-1", status: "running" }, 201, "created"],
      [{ ...base, id: "status-1" }, 200, "updated"],
      [{ ...base, id: "status-1" }, 200, "duplicate"],
      [{ ...base, id: "status-1", status: "failure" }, 409, "conflict"],
      [{ ...base, id: "status-1", tokens_in: -1 }, 422, "invalid"],
      [unknown, 422, "invalid"],
    ];
    for (const [item, status, result] of told) {
      const answer = await send(item);
      expect([answer.status, outcomes(answer)]).toEqual([status, [result]]);
      expect(answer.body.data.counts[result]).toBe(1);
      expect((await send({ executions: [item] })).status).toBe(207);
    }
    const event = { id: "status-1", event_type: "x", user_id: "u", occurred_at: base.started_at };
    const statuses = [event, event, { ...event, event_type: "y" }, { ...event, user_id: 5 }];
    for (const [index, status] of [201, 200, 409, 422].entries())
      expect((await api.post("/api/v1/events", statuses[index])).status).toBe(status);
    expect((await api.post("/api/v1/events", { events: [event] })).status).toBe(207);
  });
});

describe("an end that does not say when it started", () => {
  const start = { ...base, status: "running" };
  const { started_at: _, ...end } = base;

  it("may come before its start in a batch", async () => {
    const answer = await send({
      executions: [
        { ...end, id: "any" },
        { ...start, id: "any" },
      ],
    });
    expect(outcomes(answer)).toEqual(["updated", "created"]);
    expect((await api.get("/api/v1/executions/any")).body.data.status).toBe("success");
  });

  it("may come in an earlier chunk of a stream than its start, and is named when none comes", async () => {
    const others = Array.from({ length: 1200 }, (_, n) => ({ ...base, id: `between-${n}` }));
    const { body } = await ndjson([
      { ...end, id: "any-2" },
      { ...end, id: "never" },
      ...others,
      { ...start, id: "any-2" },
    ]);
    expect(body.data.counts).toEqual({
      created: 1201,
      updated: 1,
      duplicate: 0,
      conflict: 0,
      invalid: 1,
    });
    expect(body.data.results).toMatchObject([
      { index: 1, line: 2, id: "never", code: "unknown_execution" },
    ]);
    expect((await api.get("/api/v1/executions/any-2")).body.data.status).toBe("success");
  });
});

describe("a request with an Idempotency-Key", () => {
  it("stores nothing twice when it comes again, even what brings no id", async () => {
    const body = {
      executions: [
        { agent_id: "idem", user_id: "u", status: "running" },
        { agent_id: "idem", user_id: "u", status: "success", started_at: "2026-10-01T00:00:00Z" },
      ],
    };
    const first = await send(body, { "idempotency-key": "k1" });
    expect(outcomes(first)).toEqual(["created", "created"]);
    const again = await send(body, { "idempotency-key": "k1" });
    expect(outcomes(again)).toEqual(["duplicate", "duplicate"]);
    expect(again.body.data.results.map((each: { id: string }) => each.id)).toEqual(
      first.body.data.results.map((each: { id: string }) => each.id),
    );
    expect(outcomes(await send(body, { "idempotency-key": "k2" }))).toEqual(["created", "created"]);
    expect(outcomes(await send(body))).toEqual(["created", "created"]);
    expect((await api.get("/api/v1/executions?agent_id=idem")).body.data).toHaveLength(6);
    const event = { event_type: "x", user_id: "u" };
    const results = [
      await api.post("/api/v1/events", event, { "idempotency-key": "k1" }),
      await api.post("/api/v1/events", event, { "idempotency-key": "k1" }),
    ];
    expect(results.flatMap(outcomes)).toEqual(["created", "duplicate"]);
    expect((await send(body, { "idempotency-key": "x".repeat(256) })).status).toBe(400);
  });
});

describe("a batch", () => {
  it("gives each item its own result in the order of the input, and stores the good ones", async () => {
    const metadata = (size: number) => ({ text: "x".repeat(size) });
    const items: [unknown, string, string?, string?][] = [
      [{ ...base, id: "b1" }, "created"],
      [{ ...base, id: "b1" }, "duplicate"],
      [{ ...base, id: "b1", status: "failure" }, "conflict", "status"],
      [{ ...base, id: "b1", status: "failure", revision: 1 }, "updated"],
      [{ ...base, id: "b2", colour: "red" }, "invalid", "colour", "unknown_field"],
      [
        { ...base, id: "b3", error: { type: "E", kind: "x" } },
        "invalid",
        "error.kind",
        "unknown_field",
      ],
      [{ ...base, id: "b4", tokens_in: "7" }, "invalid", "tokens_in"],
      [{ ...base, id: "b5", tokens_in: 1.5 }, "invalid", "tokens_in"],
      [{ ...base, id: "b6", duration_ms: -1 }, "invalid", "duration_ms"],
      [
        { ...base, id: "b7", started_at: "1999-12-31T23:59:59Z" },
        "invalid",
        "started_at",
        "too_early",
      ],
      [
        { ...base, id: "b8", started_at: new Date(Date.now() + 25 * 3_600_000).toISOString() },
        "invalid",
        "started_at",
        "too_late",
      ],
      [{ ...base, id: "b9", started_at: "yesterday" }, "invalid", "started_at", "invalid_time"],
      [
        { ...base, id: "b10", ended_at: "2026-10-01T09:59:59Z" },
        "invalid",
        "ended_at",
        "end_before_start",
      ],
      [
        { ...base, id: "b11", status: "running", ended_at: "2026-10-01T11:00:00Z" },
        "invalid",
        "ended_at",
        "ended_while_running",
      ],
      [{ ...base, id: "x".repeat(257) }, "invalid", "id"],
      [{ ...base, id: "no\ttabs" }, "invalid", "id"],
      [{ ...base, id: "b12", status: "completed" }, "invalid", "status"],
      [{ ...base, id: "b13", credits: "1.1234567" }, "invalid", "credits"],
      [{ ...base, id: "b14", metadata: metadata(17_000) }, "invalid", "metadata", "too_large"],
      [
        { ...base, id: "b15", metadata: { bad: "a\u0000b" } },
        "invalid",
        "metadata",
        "invalid_text",
      ],
      [{ ...base, id: "b16", metadata: { bad: "\ud800" } }, "invalid", "metadata", "invalid_text"],
      [{ ...base, id: "b17", metadata: { fine: "\\u0000 and \\\\ and 😀" } }, "created"],
      [{ ...base, id: "b18", model: "a\u0000" }, "invalid", "model"],
      [{ ...base, id: "b19", metadata: metadata(16_000) }, "created"],
      ["text", "invalid"],
      [null, "invalid"],
      [{}, "invalid"],
      [{ ...base, id: "b20" }, "created"],
    ];
    const { status, body } = await send({ executions: items.map(([item]) => item) });
    expect(status).toBe(207);
    const results: {
      index: number;
      result: string;
      path?: string;
      code?: string;
      detail?: string;
    }[] = body.data.results;
    expect(results.map((each) => each.index)).toEqual(items.map((_, index) => index));
    items.forEach(([item, result, path, code], index) => {
      expect([JSON.stringify(item)?.slice(0, 60), results[index]?.result]).toEqual([
        JSON.stringify(item)?.slice(0, 60),
        result,
      ]);
      if (path !== undefined) expect(results[index]?.path).toBe(path);
      if (code !== undefined) expect(results[index]?.code).toBe(code);
      if (result === "invalid") expect(results[index]?.detail).toBeTruthy();
    });
    expect(body.data.counts).toEqual({
      created: 4,
      updated: 1,
      duplicate: 1,
      conflict: 1,
      invalid: 21,
    });
    expect((await api.get("/api/v1/executions/b17")).body.data.metadata).toEqual({
      fine: "\\u0000 and \\\\ and 😀",
    });
    expect((await api.get("/api/v1/executions/b2")).status).toBe(404);
  });

  it("is refused whole when it is no batch: nothing is stored then", async () => {
    const codeOf = async (body: unknown, headers?: Record<string, string>) => {
      const answer = await send(body, headers);
      return [answer.status, answer.body.errors?.[0]?.path ?? answer.body.code];
    };
    expect(await codeOf("{")).toEqual([400, "json"]);
    expect(await codeOf("[]")).toEqual([400, "json"]);
    expect((await send("{")).body).toMatchObject({
      code: "invalid_json",
      errors: [{ path: "json", code: "invalid_json" }],
    });
    expect(await codeOf({ executions: [{ ...base, id: "whole" }], extra: 1 })).toEqual([
      400,
      "extra",
    ]);
    expect(await codeOf({ executions: {} })).toEqual([400, "executions"]);
    expect(await codeOf({ executions: Array.from({ length: 1001 }, () => base) })).toEqual([
      400,
      "executions",
    ]);
    expect(await codeOf({ ...base, id: "whole" }, { "content-type": "text/plain" })).toEqual([
      415,
      "media_type",
    ]);
    expect(await codeOf({ ...base, id: "whole" }, { "content-encoding": "br" })).toEqual([
      415,
      "content_coding",
    ]);
    expect(await codeOf("not gzip", { "content-encoding": "gzip" })).toEqual([400, "json"]);
    expect(await codeOf(new Uint8Array([0x7b, 0xff, 0xfe]))).toEqual([400, "json"]);
    expect(await codeOf(`{"executions":[]}${" ".repeat(10 * 1024 * 1024)}`)).toEqual([
      413,
      "body_too_large",
    ]);
    expect(await codeOf(`{"executions":[${"{},".repeat(1_000_000)}{}]}`)).toEqual([
      413,
      "too_many_values",
    ]);
    expect((await api.post("/api/v1/executions?colour=red", base)).status).toBe(400);
    expect((await api.get("/api/v1/executions/whole")).status).toBe(404);
    expect((await send({ executions: [] })).body.data.results).toEqual([]);
  });

  it("is read when it is gzipped, and refused when it unpacks to too much", async () => {
    const zip = async (text: string) =>
      new Uint8Array(
        await new Response(
          new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")),
        ).arrayBuffer(),
      );
    expect(
      outcomes(
        await send(await zip(JSON.stringify({ ...base, id: "zipped" })), {
          "content-encoding": "gzip",
        }),
      ),
    ).toEqual(["created"]);
    const bomb = await zip(" ".repeat(11 * 1024 * 1024));
    expect(bomb.byteLength).toBeLessThan(100_000);
    expect((await send(bomb, { "content-encoding": "gzip" })).status).toBe(413);
  });
});

describe("a stream", () => {
  it("stores all lines but the broken ones, which it names", async () => {
    const lines: (string | object)[] = Array.from({ length: 1300 }, (_, n) => ({
      ...base,
      id: `n${n}`,
    }));
    lines[499] = '{"id": "broken"';
    lines[700] = { ...base, id: "n0" };
    lines[701] = { ...base, id: "n0", status: "failure" };
    lines[800] = "";
    lines[900] = { ...base, id: "late", tokens_in: -5 };
    const { status, body } = await ndjson(lines);
    expect(status).toBe(207);
    expect(body.data.counts).toEqual({
      created: 1295,
      updated: 0,
      duplicate: 1,
      conflict: 1,
      invalid: 2,
    });
    expect(body.data.results).toMatchObject([
      { line: 500, result: "invalid", code: "invalid_json" },
      { line: 702, result: "conflict", id: "n0", path: "status" },
      { line: 901, result: "invalid", id: "late", path: "tokens_in" },
    ]);
    const { body: list } = await api.get(
      "/api/v1/executions?limit=1&include_total=true&agent_id=a&from=2026-10-01T10:00:00Z&to=2026-10-01T10:00:01Z",
    );
    expect(list.page.total).toBeGreaterThanOrEqual(1295);
  });

  it("reports the first 1,000 items that were not stored, and counts all", async () => {
    const { body } = await ndjson(Array.from({ length: 1500 }, (_, n) => `broken ${n}`));
    expect(body.data.counts.invalid).toBe(1500);
    expect(body.data.results).toHaveLength(1000);
    expect(body.data.results.at(-1).line).toBe(1000);
  });

  it("that breaks off keeps the lines that came whole, and says so", async () => {
    const lines = Array.from({ length: 800 }, (_, n) =>
      JSON.stringify({ ...base, id: `cut-${n}`, agent_id: "cutter" }),
    ).join("\n");
    const zipped = new Uint8Array(
      await new Response(
        new Blob([lines]).stream().pipeThrough(new CompressionStream("gzip")),
      ).arrayBuffer(),
    );
    const headers = { "content-type": "application/x-ndjson", "content-encoding": "gzip" };
    const broken = await send(zipped.slice(0, zipped.length - 200), headers);
    expect([broken.status, broken.body.code]).toEqual([400, "broken_body"]);
    expect(broken.body.errors).toMatchObject([{ path: expect.stringMatching(/^line\.\d+$/) }]);
    expect((await send(new TextEncoder().encode("no gzip at all"), headers)).status).toBe(400);
    expect((await send(zipped, headers)).body.data.counts).toMatchObject({
      conflict: 0,
      invalid: 0,
    });
    expect(
      (await api.get("/api/v1/executions?agent_id=cutter&limit=1&include_total=true")).body.page
        .total,
    ).toBe(800);
  });

  it("may be gzip of several members, also in a batch", async () => {
    const zip = async (text: string) =>
      new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).bytes();
    const line = (n: number) => `${JSON.stringify({ ...base, id: `member-${n}` })}\n`;
    const parts = await Promise.all(
      [line(0).slice(0, 20), line(0).slice(20) + line(1), line(2)].map(zip),
    );
    const body = new Uint8Array(await new Blob(parts).arrayBuffer());
    const gzip = { "content-encoding": "gzip" };
    const stream = await send(body, { ...gzip, "content-type": "application/x-ndjson" });
    expect(stream.body.data.counts).toMatchObject({ created: 3, invalid: 0 });
    const text = JSON.stringify({ executions: [{ ...base, id: "member-3" }] });
    const batch = await Promise.all([text.slice(0, 30), text.slice(30)].map(zip));
    expect(outcomes(await send(new Uint8Array(await new Blob(batch).arrayBuffer()), gzip))).toEqual(
      ["created"],
    );
  });

  it("survives an item that is nested without end", async () => {
    const deep = `${'{"a":'.repeat(3000)}1${"}".repeat(3000)}`;
    const text = `{"executions":[{"id":"deep","agent_id":"a","user_id":"u","status":"success","started_at":"2026-10-01T00:00:00Z","metadata":${deep}},${JSON.stringify({ ...base, id: "shallow" })}]}`;
    expect((await send(text)).body.data.results).toMatchObject([
      { result: "invalid", code: "too_deep" },
      { result: "created" },
    ]);
  });

  it("takes a line that is too long for a bad line, whatever its length", async () => {
    const { body } = await ndjson([
      { ...base, id: "s1" },
      `"${"x".repeat(3 * 1024 * 1024)}"`,
      { ...base, id: "s2" },
    ]);
    expect(body.data.counts).toMatchObject({ created: 2, invalid: 1 });
    expect(body.data.results).toMatchObject([{ line: 2, code: "line_too_long" }]);
  });
});

describe("a correction", () => {
  it("changes what it names, keeps the rest, and raises the revision", async () => {
    await send({ ...base, id: "p1", ended_at: "2026-10-01T10:00:02Z", credits: 3, model: "m" });
    const { status, body } = await api.patch("/api/v1/executions/p1", {
      ended_at: "2026-10-01T10:00:05Z",
      model: null,
    });
    expect(status).toBe(200);
    expect(body.data).toMatchObject({
      credits: "3.000000",
      model: null,
      duration_ms: 5000,
      revision: 1,
      status: "success",
    });
    expect(
      outcomes(
        await send({ ...base, id: "p1", ended_at: "2026-10-01T10:00:02Z", credits: 3, model: "m" }),
      ),
    ).toEqual(["duplicate"]);
    expect((await api.get("/api/v1/executions/p1")).body.data.revision).toBe(1);
  });

  it("moves an execution to another month, and nothing stays behind", async () => {
    await send({ ...base, id: "p2" });
    const { body } = await api.patch("/api/v1/executions/p2", {
      started_at: "2025-02-03T04:05:06.789Z",
    });
    expect(body.data.started_at).toBe("2025-02-03T04:05:06.789Z");
    const { body: list } = await api.get(
      "/api/v1/executions?limit=1000&from=2026-10-01T00:00:00Z&to=2026-10-02T00:00:00Z",
    );
    expect(list.data.some((each: { id: string }) => each.id === "p2")).toBe(false);
  });

  it("is refused for what cannot be, and loses nothing to another at the same time", async () => {
    await send({ ...base, id: "p3", tokens_in: 0 });
    const refused = await api.patch("/api/v1/executions/p3", { ended_at: "2026-09-01T00:00:00Z" });
    expect([refused.status, refused.body.errors[0].path]).toEqual([422, "ended_at"]);
    expect((await api.patch("/api/v1/executions/p3", { colour: "red" })).status).toBe(400);
    expect((await api.patch("/api/v1/executions/none", {})).status).toBe(404);
    const answers = await Promise.all([
      api.patch("/api/v1/executions/p3", { tokens_in: 5 }),
      api.patch("/api/v1/executions/p3", { model: "x" }),
      api.patch("/api/v1/executions/p3", { version: "2" }),
    ]);
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
    expect((await api.get("/api/v1/executions/p3")).body.data).toMatchObject({
      tokens_in: 5,
      model: "x",
      version: "2",
    });
  });

  it("that only adds stays in its revision, however it writes its decimals and orders its keys", async () => {
    const patches = [
      { credits: "2.5" },
      { metadata: { b: 2, a: 1 } },
      { metadata: { bb: 1, a: { zz: 1, y: [2, { d: 1, c: 2 }] } } },
    ];
    for (const [index, patch] of patches.entries()) {
      const id = `adds-${index}`;
      await send({ ...base, id, status: "running" });
      for (const _ of [1, 2])
        expect((await api.patch(`/api/v1/executions/${id}`, patch)).body.data.revision).toBe(0);
      const [end] = outcomes(await send({ ...base, id, ended_at: "2026-10-01T10:00:02Z" }));
      expect([patch, end]).toEqual([patch, "updated"]);
    }
  });

  it("of a running execution lets its real end count, and never undoes one that came meanwhile", async () => {
    const start = { ...base, status: "running" };
    const end = { ...base, ended_at: "2026-10-01T10:00:02Z", credits: 2 };
    await send({ ...start, id: "open" });
    expect(
      (await api.patch("/api/v1/executions/open", { environment: "prod" })).body.data,
    ).toMatchObject({
      environment: "prod",
      status: "running",
      revision: 0,
    });
    expect(outcomes(await send({ ...end, id: "open" }))).toEqual(["updated"]);
    expect((await api.get("/api/v1/executions/open")).body.data).toMatchObject({
      status: "success",
      credits: "2.000000",
      environment: "prod",
    });
    await send({ ...start, id: "cut", model: "m" });
    expect((await api.patch("/api/v1/executions/cut", { model: null })).body.data).toMatchObject({
      model: null,
      revision: 1,
    });
    const refused = await send({ ...end, id: "cut" });
    expect(refused.body.data.results[0]).toMatchObject({ result: "conflict", code: "superseded" });
    expect(outcomes(await send({ ...end, id: "cut", revision: 1 }))).toEqual(["updated"]);
    for (let round = 0; round < 6; round++) {
      const id = `both${round}`;
      await send({ ...start, id, model: "m" });
      const [patched, ended] = await Promise.all([
        api.patch(`/api/v1/executions/${id}`, { model: null }),
        send({ ...end, id }),
      ]);
      expect(patched.status).toBe(200);
      const stored = (await api.get(`/api/v1/executions/${id}`)).body.data;
      expect(stored.model).toBeNull();
      if (outcomes(ended)[0] === "updated")
        expect(stored).toMatchObject({ status: "success", credits: "2.000000" });
      else expect(outcomes(ended)).toEqual(["conflict"]);
    }
  });

  it("of an end moves a derived duration along, microseconds included", async () => {
    await send({
      ...base,
      id: "micro",
      started_at: "2026-10-01T10:00:00.000900Z",
      ended_at: "2026-10-01T10:00:01.001100Z",
    });
    expect(
      (await api.patch("/api/v1/executions/micro", { ended_at: "2026-10-01T10:00:05.001100Z" }))
        .body.data.duration_ms,
    ).toBe(5000);
  });

  it("that takes a field away is not undone by another at the same time", async () => {
    for (let round = 0; round < 8; round++) {
      const id = `race${round}`;
      await send({ ...base, id, model: "m", credits: 1 });
      const answers = await Promise.all([
        api.patch(`/api/v1/executions/${id}`, { model: null }),
        api.patch(`/api/v1/executions/${id}`, { version: "2" }),
      ]);
      expect(answers.map((answer) => answer.status)).toEqual([200, 200]);
      expect((await api.get(`/api/v1/executions/${id}`)).body.data).toMatchObject({
        model: null,
        version: "2",
        credits: "1.000000",
      });
    }
  });

  it("does not reach into another workspace", async () => {
    await send({ ...base, id: "mine" });
    const other = clientOf(await tokenFor("intake-other"));
    expect((await other.get("/api/v1/executions/mine")).status).toBe(404);
    expect((await other.patch("/api/v1/executions/mine", { model: "x" })).status).toBe(404);
    expect(
      outcomes(await other.post("/api/v1/executions", { ...base, id: "mine", status: "failure" })),
    ).toEqual(["created"]);
    expect((await api.get("/api/v1/executions/mine")).body.data.status).toBe("success");
    expect((await other.get("/api/v1/executions")).body.data).toHaveLength(1);
  });
});

describe("the list", () => {
  const W2 = "intake-list";
  it("pages by cursor through every row once while rows arrive, by skip too, and filters", async () => {
    const list = clientOf(await tokenFor(W2));
    const items = Array.from({ length: 230 }, (_, n) => ({
      ...base,
      id: `l${n}`,
      agent_id: n % 2 ? "odd" : "even",
      started_at: new Date(Date.UTC(2026, 8, 28) + Math.floor(n / 3) * 3_600_000).toISOString(),
      duration_ms: n,
      credits: n / 100,
      metadata: { region: n % 5 ? "eu" : "us" },
    }));
    await list.post("/api/v1/executions", { executions: items });
    const expected = [...items]
      .sort((a, b) => b.started_at.localeCompare(a.started_at) || (b.id > a.id ? 1 : -1))
      .map((item) => item.id);
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const { body } = await list.get(
        `/api/v1/executions?limit=23${cursor ? `&cursor=${cursor}` : ""}`,
      );
      seen.push(...body.data.map((each: { id: string }) => each.id));
      cursor = body.page.next_cursor;
      expect(body.page.has_more).toBe(cursor !== null);
      // A newer row must not shift the pages that follow.
      await list.post("/api/v1/executions", {
        ...base,
        started_at: "2026-11-01T00:00:00Z",
        id: `new${seen.length}`,
      });
    }
    expect(seen).toEqual(expected);
    const ids = async (query: string) =>
      (
        await list.get(`/api/v1/executions?to=2026-10-30T00:00:00Z&limit=1000&${query}`)
      ).body.data.map((each: { id: string }) => each.id);
    expect(await ids("skip=200")).toEqual(expected.slice(200));
    const matching = (keep: (item: (typeof items)[number]) => boolean) =>
      expected.filter((id) => items.some((item) => item.id === id && keep(item)));
    expect(await ids("agent_id=odd&min_duration_ms=10&max_duration_ms=99")).toEqual(
      matching(
        (item) => item.agent_id === "odd" && item.duration_ms >= 10 && item.duration_ms <= 99,
      ),
    );
    expect(await ids("metadata.region=us&min_credits=0.5")).toEqual(
      matching((item) => item.metadata.region === "us" && item.credits >= 0.5),
    );
    expect(await ids("status=failure")).toEqual([]);
    const { body } = await list.get(
      "/api/v1/executions?to=2026-10-30T00:00:00Z&limit=5&include_total=true&agent_id=even",
    );
    expect(body.page).toMatchObject({ limit: 5, has_more: true, total: 115 });
  });

  it.each([
    ["limit=0", 400],
    ["limit=1001", 400],
    ["limit=ten", 400],
    ["skip=10001", 400],
    ["colour=red", 400],
    ["from=yesterday", 400],
    ["from=0000-01-01T00:00:00Z", 400],
    ["to=9999-12-31T23:59:59-10:00", 400],
    ["constructor=1", 400],
    ["model=%00", 400],
    [`cursor=${btoa('["0000-01-01T00:00:00Z", "x"]')}`, 422],
    ["cursor=abc", 422],
    [`cursor=${btoa('["2026-10-01T00:00:00Z", 1]')}`, 422],
    [`cursor=${btoa('["x\' or 1=1", "y"]')}`, 422],
  ])("refuses %s with %i", async (query, status) => {
    expect((await api.get(`/api/v1/executions?${query}`)).status).toBe(status);
  });
});
