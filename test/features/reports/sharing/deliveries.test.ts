import { type SQL, sql } from "drizzle-orm";
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { QUOTAS } from "../../../../src/db/quotas.ts";
import { outgoingUrl } from "../../../../src/delivery/outgoing.ts";
import { definitionOf } from "../../../../src/features/reports/definition/define.ts";
import { createReport } from "../../../../src/features/reports/definition/queries.ts";
import { reportInput } from "../../../../src/features/reports/definition/schema.ts";
import { continueDeliveries } from "../../../../src/features/reports/runs/maintenance.ts";
import { runReport } from "../../../../src/features/reports/runs/run.ts";
import { startReport } from "../../../../src/features/reports/runs/start.ts";
import {
  sendDelivery,
  sendNextDelivery,
} from "../../../../src/features/reports/sharing/deliver.ts";
import {
  planDeliveries,
  reopenDelivery,
  takeDelivery,
} from "../../../../src/features/reports/sharing/delivery-queries.ts";
import { clientOf, tokenFor } from "../../../support/client.ts";
import { queuesTo, testContext } from "../../../support/context.ts";
import { useOwnDatabase } from "../../../support/database.ts";
import { consumeMessages } from "../../../support/queue.ts";

await useOwnDatabase();
const WORKSPACE = "deliveries";
const base = testContext({ queues: queuesTo() });
const ctx = {
  ...base,
  config: {
    ...base.config,
    MAIL_PROVIDER: "resend" as const,
    MAIL_API_KEY: "key-of-the-provider",
    MAIL_FROM: "reports@example.com",
    PUBLIC_URL: "https://analytics.example.com",
  },
};
const client = clientOf(await tokenFor(WORKSPACE));
const HOOK = "https://hooks.example.com/reports";
const REPORT = {
  name: "Daily",
  format: "html",
  timeframe: "7d",
  sections: [{ type: "metrics", title: "All", measures: ["executions"] }],
};

afterEach(() => vi.restoreAllMocks());

interface Call {
  url: string;
  headers: Headers;
  body: string;
}

/** The rest of the world: what it is asked, and what it answers. The database's endpoint stays what it is. */
function world(answers: (call: Call, count: number) => Response | Error): Call[] {
  const calls: Call[] = [];
  const real = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    if (!url.startsWith("https://")) return real(input as RequestInfo, init as RequestInit);
    const call = {
      url,
      headers: new Headers(init?.headers as HeadersInit),
      body: String(init?.body ?? ""),
    };
    calls.push(call);
    const answer = answers(call, calls.length);
    if (answer instanceof Error) throw answer;
    return answer as never;
  });
  return calls;
}

/** A report's run as a consumer makes it; no message of it reaches the Worker's own consumer. */
async function run(recipients: unknown[]): Promise<string> {
  const input = reportInput.parse({ ...REPORT, recipients });
  const definition = await definitionOf(ctx, WORKSPACE, input);
  const saved = { name: input.name, description: null, definition };
  const report = await createReport(ctx, WORKSPACE, crypto.randomUUID(), "tester", saved);
  const made = { author: "tester" };
  const { id } = await startReport(ctx, WORKSPACE, crypto.randomUUID(), report, made);
  expect(await runReport(ctx, { workspaceId: WORKSPACE, id })).toEqual({ status: "done" });
  return id;
}
const attempt = (id: string) => sendDelivery(ctx, { workspaceId: WORKSPACE, id });
/** The wait before the next attempt is over. */
const waited = (id: string) =>
  ctx.db.all({
    sql: sql`update report_deliveries set not_before = now() where id = ${id}`,
    row: z.unknown(),
  });
const log = async (id: string) =>
  (await client.get(`/api/v1/reports/runs/${id}/deliveries`)).body.data;

describe("a delivery", () => {
  it("by webhook is signed, and leads to the file", async () => {
    const calls = world(() => new Response("thanks"));
    const id = await run([{ method: "webhook", url: HOOK }]);
    expect(await attempt(`${id}-0`)).toEqual({ status: "done" });
    const [call] = calls;
    if (!call) throw new Error("nothing was sent");
    expect(call.url).toBe(HOOK);
    const { secret } = (await client.get("/api/v1/reports/webhook-secret")).body.data;
    const verified = new Webhook(secret).verify(call.body, Object.fromEntries(call.headers)) as {
      type: string;
      data: { run_id: string; url: string };
    };
    expect(verified).toMatchObject({
      type: "report.completed",
      data: { run_id: id, workspace_id: WORKSPACE, name: "Daily" },
    });
    expect(() =>
      new Webhook(secret).verify(
        call.body.replace("Daily", "Weekly"),
        Object.fromEntries(call.headers),
      ),
    ).toThrow();
    expect((await log(id))[0]).toMatchObject({ status: "delivered", answer: "200 thanks" });
    const { exports } = await import("cloudflare:workers");
    expect(
      (
        await exports.default.fetch(
          new Request(`https://shadower.test${new URL(verified.data.url).pathname}`),
        )
      ).status,
    ).toBe(200);
    const stranger = clientOf(await tokenFor("deliveries-other"));
    expect((await stranger.get("/api/v1/reports/webhook-secret")).body.data.secret).not.toBe(
      secret,
    );
    expect((await stranger.get(`/api/v1/reports/runs/${id}/deliveries`)).status).toBe(404);
    const sent = calls.length;
    await attempt(`${id}-0`);
    expect(calls.length).toBe(sent);
  });

  it("is sent once by two consumers at once, and reads no more of an answer than its beginning", async () => {
    let pulled = 0;
    const endless = () =>
      new ReadableStream({
        pull: (controller) => {
          pulled++;
          controller.enqueue(new TextEncoder().encode("x".repeat(1000)));
        },
      });
    const calls = world(() => new Response(endless()));
    const id = await run([{ method: "webhook", url: HOOK }]);
    await Promise.all([attempt(`${id}-0`), attempt(`${id}-0`), attempt(`${id}-0`)]);
    await vi.waitUntil(async () => (await log(id))[0]?.status === "delivered");
    expect(calls.length).toBe(1);
    expect(pulled).toBeLessThan(10);
    expect((await log(id))[0].answer).toBe(`200 ${"x".repeat(496)}`);
  });

  it("is tried again after a failure of the other side, and its log says what happened", async () => {
    let down = true;
    const calls = world(() => (down ? new Response("busy", { status: 503 }) : new Response("")));
    const id = await run([{ method: "webhook", url: HOOK }]);
    expect(await attempt(`${id}-0`)).toMatchObject({ status: "again" });
    expect((await log(id))[0]).toMatchObject({ status: "waiting", answer: "503 busy" });
    down = false;
    // Nobody begins before the wait is over, whatever messages come.
    expect(await attempt(`${id}-0`)).toEqual({ status: "lost" });
    await waited(`${id}-0`);
    await attempt(`${id}-0`);
    const [entry] = await log(id);
    expect(entry).toMatchObject({ status: "delivered", answer: "200" });
    expect(entry.attempts).toBeGreaterThanOrEqual(2);
    // The id is that of the delivery, and the link too: a receiver knows the second attempt of one, and may keep either.
    expect(new Set(calls.map((call) => call.headers.get("webhook-id")))).toEqual(
      new Set([`${id}-0`]),
    );
    expect(new Set(calls.map((call) => JSON.parse(call.body).data.url)).size).toBe(1);
    expect((await client.get(`/api/v1/reports/runs/${id}/shares`)).body.data).toHaveLength(1);
  });

  it("does not bring back a link that somebody has revoked", async () => {
    let down = true;
    const calls = world(() => (down ? new Response("busy", { status: 503 }) : new Response("")));
    const id = await run([{ method: "webhook", url: HOOK }]);
    expect(await attempt(`${id}-0`)).toMatchObject({ status: "again" });
    await waited(`${id}-0`);
    const [share] = (await client.get(`/api/v1/reports/runs/${id}/shares`)).body.data;
    expect(
      (await client.send(`/api/v1/reports/runs/${id}/shares/${share.id}`, { method: "DELETE" }))
        .status,
    ).toBe(204);
    down = false;
    const sent = calls.length;
    await attempt(`${id}-0`);
    expect(calls.length).toBe(sent);
    expect((await log(id))[0]).toMatchObject({ status: "failed", answer: "The link was revoked." });
    const { exports } = await import("cloudflare:workers");
    const path = new URL(JSON.parse(calls[0]?.body ?? "").data.url).pathname;
    expect((await exports.default.fetch(new Request(`https://shadower.test${path}`))).status).toBe(
      410,
    );
  });

  it("whose message comes before its run is done waits for it", async () => {
    const calls = world(() => new Response(""));
    const id = await run([]);
    const [delivery = ""] = await planDeliveries(ctx, WORKSPACE, id, [
      { method: "webhook", url: HOOK },
    ]);
    const become = (status: string) =>
      ctx.db.all({
        sql: sql`update report_runs set status = ${status} where workspace_id = ${WORKSPACE} and id = ${id}`,
        row: z.unknown(),
      });
    await become("running");
    expect(await attempt(delivery)).toMatchObject({ status: "again" });
    await waited(delivery);
    expect(calls).toEqual([]);
    expect(await log(id)).toMatchObject([{ status: "waiting", answer: "The run is running." }]);
    await become("done");
    await attempt(delivery);
    await attempt(delivery);
    expect(calls.length).toBe(1);
    expect(await log(id)).toMatchObject([{ status: "delivered", attempts: 2 }]);
  });

  it("whose message or worker is lost, or whose clock jumped, is sent again; nothing that waits for its time is", async () => {
    world(() => new Response(""));
    const hooks = Array.from({ length: 5 }, () => ({ method: "webhook", url: HOOK }));
    const id = await run(hooks);
    const set = (place: number, changes: SQL) =>
      ctx.db.all({
        sql: sql`update report_deliveries set ${changes} where id = ${`${id}-${place}`}`,
        row: z.unknown(),
      });
    const past = sql`now() - interval '3 minutes'`;
    await set(0, sql`created_at = ${past}`);
    await set(1, sql`status = 'sending', attempted_at = ${past}, attempts = 1`);
    await set(2, sql`status = 'sending', attempted_at = now() + interval '1 day', attempts = 1`);
    await set(3, sql`created_at = ${past}, not_before = now() + interval '2 minutes'`);
    const sent: unknown[] = [];
    await continueDeliveries({ ...ctx, queues: queuesTo((body) => void sent.push(body)) });
    const ids = sent
      .map((body) => (body as { id: string }).id)
      .filter((each) => each.startsWith(id));
    expect(ids.sort()).toEqual([`${id}-0`, `${id}-1`]);
    expect(await attempt(`${id}-2`)).toEqual({ status: "done" });
    expect(await attempt(`${id}-3`)).toEqual({ status: "lost" });
  });

  it("waits for its workspace's turn: a neighbour's many put it off by one", async () => {
    world(() => new Response(""));
    await ctx.db.run(sql`delete from report_deliveries`);
    await ctx.db.run(sql`delete from turns`);
    const id = await run([{ method: "webhook", url: HOOK }]);
    await ctx.db.run(sql`insert into report_deliveries (workspace_id, id, run_id, recipient, status, created_at)
        select 'flood', 'f' || i, 'none', '{"method":"webhook","url":"https://hooks.example.com/x"}'::jsonb, 'waiting', now() - interval '1 hour' from generate_series(1, 30) i`);
    const order = [
      await sendNextDelivery(ctx),
      await sendNextDelivery(ctx),
      await sendNextDelivery(ctx),
    ];
    const names = order.map((each) => each?.job.workspaceId);
    expect(names.slice(0, 2).sort()).toEqual([WORKSPACE, "flood"].sort());
    expect((await log(id))[0].status).toBe("delivered");
    expect(names[2]).toBe("flood");
    await ctx.db.run(
      sql`update report_deliveries set status = 'waiting', attempted_at = null, not_before = null where workspace_id = 'flood'`,
    );
    // No more than four of a workspace are at work at once, however many ask.
    const taken = await Promise.all(Array.from({ length: 9 }, () => takeDelivery(ctx)));
    expect(taken.filter(Boolean)).toHaveLength(4);
    await ctx.db.run(sql`delete from report_deliveries`);
  });

  it("beyond the quota of the day is in the log, as failed, and is not sent", async () => {
    const calls = world(() => new Response(""));
    const few = { ...ctx, config: { ...ctx.config, QUOTAS: { ...QUOTAS, deliveries_per_day: 1 } } };
    await ctx.db.run(sql`delete from daily_uses`);
    const id = await run([]);
    const two = [1, 2].map((place) => ({ method: "webhook" as const, url: `${HOOK}/${place}` }));
    expect(await planDeliveries(few, WORKSPACE, id, two)).toEqual([`${id}-0`]);
    expect(await planDeliveries(few, WORKSPACE, id, two)).toEqual([`${id}-0`]);
    for (const place of [0, 1]) await attempt(`${id}-${place}`);
    expect((await log(id)).map((entry: { status: string }) => entry.status)).toEqual([
      "delivered",
      "failed",
    ]);
    expect(calls).toHaveLength(1);
  });

  it("that is refused for good, or given up, has failed; no answer is a reason to try again", async () => {
    let answer: Response | Error = new Error("network");
    world(() => (answer instanceof Response ? answer.clone() : answer));
    const id = await run([
      { method: "webhook", url: HOOK },
      { method: "webhook", url: `${HOOK}/2` },
    ]);
    for (let tries = 1; tries < 6; tries++) {
      expect(await attempt(`${id}-0`)).toMatchObject({ status: "again" });
      await waited(`${id}-0`);
    }
    expect(await attempt(`${id}-0`)).toMatchObject({ status: "failed", isKnown: false });
    answer = new Response("unknown", { status: 404 });
    await attempt(`${id}-1`);
    expect(
      (await log(id)).map((entry: { status: string; answer: string }) => [
        entry.status,
        entry.answer,
      ]),
    ).toEqual([
      ["failed", "The server did not answer."],
      ["failed", "404 unknown"],
    ]);
    answer = new Response("");
    await reopenDelivery(ctx, { workspaceId: WORKSPACE, id: `${id}-0` });
    await attempt(`${id}-0`);
    expect((await log(id))[0].status).toBe("delivered");
  });

  it("follows redirects to public addresses only, and keeps the body", async () => {
    const target = { now: "https://other.example.com/in" };
    const calls = world((call) =>
      call.url === HOOK
        ? new Response(null, { status: 307, headers: { location: target.now } })
        : new Response(""),
    );
    const id = await run([
      { method: "webhook", url: HOOK },
      { method: "webhook", url: HOOK },
    ]);
    await attempt(`${id}-0`);
    expect(calls.at(-1)).toMatchObject({ url: target.now });
    expect(calls.at(-1)?.body).toBe(calls.at(-2)?.body);
    for (const url of [
      "https://169.254.169.254/latest",
      "http://other.example.com/",
      "https://localhost/",
    ]) {
      target.now = url;
      const another = await run([{ method: "webhook", url: HOOK }]);
      await attempt(`${another}-0`);
      expect((await log(another))[0].status).toBe("failed");
      expect(calls.map((call) => call.url)).not.toContain(url);
    }
  });

  it("by mail and to Slack has the provider's shape", async () => {
    const calls = world(() => Response.json({ id: "m1" }));
    const id = await run([
      { method: "email", to: ["a@example.com", "b@example.com"] },
      { method: "slack", url: "https://hooks.slack.com/services/T/B/x" },
    ]);
    await attempt(`${id}-0`);
    await ctx.db.run(sql`update report_deliveries set status = 'waiting' where id = ${`${id}-0`}`);
    await sendDelivery(
      { ...ctx, config: { ...ctx.config, MAIL_PROVIDER: "postmark" } },
      { workspaceId: WORKSPACE, id: `${id}-0` },
    );
    await attempt(`${id}-1`);
    const mail = calls.find((call) => call.url === "https://api.resend.com/emails");
    expect(mail?.headers.get("authorization")).toBe("Bearer key-of-the-provider");
    expect(JSON.parse(mail?.body ?? "")).toMatchObject({
      from: "reports@example.com",
      to: ["a@example.com", "b@example.com"],
      subject: "Daily",
    });
    const slack = calls.find((call) => call.url.startsWith("https://hooks.slack.com/"));
    expect(JSON.parse(slack?.body ?? "").text).toMatch(
      /^Daily, .*https:\/\/analytics\.example\.com\/api\/v1\/shared\//,
    );
  });

  it("lets a name mention nobody and write no line of its own", async () => {
    const calls = world(() => Response.json({ id: "m1" }));
    const id = await run([
      { method: "slack", url: "https://hooks.slack.com/services/T/B/x" },
      { method: "email", to: ["a@example.com"] },
    ]);
    const name = "<!channel> & <https://evil.example|Daily>\r\nBcc: *all*\u2028now";
    await ctx.db.run(sql`update report_runs set request = request
        || ${JSON.stringify({ name, timezone: "Asia/Kolkata" })}::jsonb where id = ${id}`);
    for (const place of [0, 1]) await attempt(`${id}-${place}`);
    const body = (host: string) =>
      JSON.parse(calls.find(({ url }) => new URL(url).host === host)?.body ?? "");
    const slack = body("hooks.slack.com");
    expect(slack.text).toMatch(
      /^&lt;!channel&gt; &amp; &lt;https:\/\/evil\.example\|Daily&gt; Bcc: \*all\* now, /,
    );
    expect(slack.mrkdwn).toBe(false);
    const mail = body("api.resend.com");
    expect(mail.subject).toBe("<!channel> & <https://evil.example|Daily> Bcc: *all* now");
    expect(mail.text.split("\n")).toHaveLength(1);
    for (const { text } of [slack, mail])
      expect(text).toMatch(/, \S+\+05:30 to \S+\+05:30 \(Asia\/Kolkata\): https:/);
  });
});

describe("the URL of a webhook", () => {
  const SLACK = "https://hooks.slack.com/services/T0SECRET1/B0SECRET2/xoxSECRET3";
  const OWN = "https://hooks.example.com/in/SECRET4?token=SECRET5&sig=SECRET%206";
  const recipients = [
    { method: "slack", url: SLACK },
    { method: "webhook", url: OWN },
    { method: "slack", url: `${SLACK}/2` },
  ];
  const stored = async (id: string) =>
    (
      await ctx.db.all({
        sql: sql`select definition->'recipients' as kept from reports where id = ${id}`,
        row: z.object({ kept: z.array(z.looseObject({ url: z.string() })) }),
      })
    )[0]?.kept.map(({ url }) => url);

  it("is read by nobody again, in no answer and no log", async () => {
    const lines: string[] = [];
    for (const level of ["log", "error"] as const)
      vi.spyOn(console, level).mockImplementation((line) => void lines.push(String(line)));
    // The other side repeats all that it was sent.
    world(({ url, body }) => new Response(`${url} ${body.slice(-120)}`, { status: 503 }));
    const made = await client.post("/api/v1/reports", { ...REPORT, recipients });
    const { id } = made.body.data;
    const ran = await client.post(`/api/v1/reports/${id}/run`, {});
    const run = ran.body.data.id;
    await consumeMessages({ type: "report.run", workspaceId: WORKSPACE, id: run });
    const answered = (await log(run)).map((each: { answer: unknown }) => each.answer !== null);
    expect(answered).toEqual([true, true, true]);
    const viewer = clientOf(await tokenFor(WORKSPACE, { role: "viewer" }));
    const paths = [
      `reports/${id}`,
      `reports/${id}/runs`,
      `reports/runs/${run}`,
      `reports/runs/${run}/deliveries`,
      ...["reports", "reports/runs", "reports/usage", "search?q=Daily", "jobs/dead-letters"],
    ];
    const answers = [made, ran];
    for (const path of paths)
      for (const each of [client, viewer]) answers.push(await each.get(`/api/v1/${path}`));
    answers.push(
      await client.post(`/api/v1/reports`, {
        ...REPORT,
        recipients: [{ ...recipients[0], url: `${OWN}#` }],
      }),
    );
    const text = JSON.stringify([...answers.map(({ body }) => body), lines]);
    expect(text).toContain("https://hooks.slack.com/***");
    expect(text).toContain("503 ***");
    expect(text).not.toContain("SECRET");
    expect(text).not.toMatch(/shared\/[\w-]{43}/);
  });

  it("stays what it is when its masked text comes back, alone or among others", async () => {
    const { body } = await client.post("/api/v1/reports", { ...REPORT, recipients });
    const { id, recipients: masked } = body.data;
    expect(new Set(masked.map(({ url }: { url: string }) => url)).size).toBe(3);
    const put = (given: unknown[]) =>
      client.send(`/api/v1/reports/${id}`, {
        method: "PUT",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...REPORT, recipients: given }),
      });
    const answer = await put([masked[2], masked[1], { method: "webhook", url: HOOK }]);
    expect(answer.status).toBe(200);
    expect(answer.body.data.recipients.slice(0, 2)).toEqual([masked[2], masked[1]]);
    expect(await stored(id)).toEqual([`${SLACK}/2`, OWN, HOOK]);
    // The first was taken out: its mask stands for nothing now.
    const gone = await put([masked[0]]);
    expect([gone.status, gone.body.errors]).toMatchObject([
      422,
      [{ path: "recipients.0.url", code: "masked_url" }],
    ]);
    expect(await stored(id)).toEqual([`${SLACK}/2`, OWN, HOOK]);
    expect((await put([masked[1], masked[1]])).status).toBe(200);
    expect((await put([masked[1]])).status).toBe(200);
    expect(await stored(id)).toEqual([OWN]);
  });

  it("that is masked makes no new report, and none of another workspace", async () => {
    const { body } = await client.post("/api/v1/reports", { ...REPORT, recipients });
    const stranger = clientOf(await tokenFor("deliveries-other"));
    for (const each of [client, stranger]) {
      const answer = await each.post("/api/v1/reports", {
        ...REPORT,
        recipients: body.data.recipients,
      });
      expect([answer.status, answer.body.errors?.[0]]).toMatchObject([
        422,
        { path: "recipients.0.url", code: "masked_url" },
      ]);
    }
  });

  it("from before there were keys is masked as well, and told apart by its host", async () => {
    const { id } = (await client.post("/api/v1/reports", { ...REPORT, recipients })).body.data;
    const old = JSON.stringify(recipients.slice(0, 2));
    await ctx.db.run(
      sql`update reports set definition = jsonb_set(definition, '{recipients}', ${old}::jsonb) where id = ${id}`,
    );
    const { recipients: masked } = (await client.get(`/api/v1/reports/${id}`)).body.data;
    expect(masked).toEqual([
      { method: "slack", url: "https://hooks.slack.com/***" },
      { method: "webhook", url: "https://hooks.example.com/***" },
    ]);
    const answer = await client.send(`/api/v1/reports/${id}`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...REPORT, recipients: masked }),
    });
    expect(answer.status).toBe(200);
    expect(await stored(id)).toEqual([SLACK, OWN]);
  });
});

describe("recipients", () => {
  it("need a secret that links are signed with", async () => {
    const input = reportInput.parse({ ...REPORT, recipients: [{ method: "webhook", url: HOOK }] });
    const without = {
      ...ctx,
      config: { ...ctx.config, JWT_SECRET_KEY: undefined, LINK_SECRET_KEY: undefined },
    };
    await expect(definitionOf(without, WORKSPACE, input)).rejects.toMatchObject({
      errors: [{ path: "recipients.0", code: "links_not_configured" }],
    });
  });

  it.each([
    [{ method: "webhook", url: "http://example.com/x" }, "recipients.0.url"],
    [{ method: "webhook", url: "https://127.0.0.1/x" }, "recipients.0.url"],
    [{ method: "slack", url: "https://example.com/x" }, "recipients.0.url"],
    [{ method: "email", to: ["a@example.com"] }, "recipients.0.method"],
  ])("refuse %j", async (recipient, path) => {
    const answer = await client.post("/api/v1/reports", { ...REPORT, recipients: [recipient] });
    expect([answer.status, answer.body.errors[0].path]).toEqual([422, path]);
  });

  it("must be addresses", async () => {
    for (const recipient of [
      { method: "email", to: ["nobody"] },
      { method: "email", url: "https://example.com" },
      { method: "pigeon" },
    ])
      expect(
        (await client.post("/api/v1/reports", { ...REPORT, recipients: [recipient] })).status,
      ).toBe(400);
  });
});

describe("outgoing URLs", () => {
  it.each([
    "https://example.com/",
    "https://8.8.8.8/",
    "https://sub.example.co.uk/path?x=1",
    "https://[2606:4700::1111]/",
    "https://xn--bcher-kva.example/",
  ])("may be %s", (url) => {
    expect(outgoingUrl(url, "url").href).toBe(url);
  });

  it.each([
    ...[
      "http://example.com",
      "ftp://example.com",
      "javascript:alert(1)",
      "nonsense",
      "https://user:pw@example.com",
      "https://example.com:8443",
    ],
    ...[
      "https://localhost",
      "https://LOCALHOST.",
      "https://localhost..",
      "https://127.0.0.1..",
      "https://metadata.google.internal..",
      "https://a.localhost",
      "https://metadata.google.internal",
      "https://intranet",
      "https://db.internal",
      "https://printer.local",
    ],
    ...[
      "https://127.0.0.1",
      "https://127.1",
      "https://2130706433",
      "https://0x7f000001",
      "https://0177.0.0.1",
      "https://10.1.2.3",
      "https://172.31.255.255",
      "https://192.168.0.1",
    ],
    ...[
      "https://169.254.169.254",
      "https://100.64.0.1",
      "https://0.0.0.0",
      "https://224.0.0.1",
      "https://255.255.255.255",
      "https://198.18.0.1",
    ],
    ...[
      "https://[::1]",
      "https://[::]",
      "https://[fe80::1]",
      "https://[fc00::1]",
      "https://[::ffff:127.0.0.1]",
      "https://[::ffff:7f00:1]",
      "https://[64:ff9b::7f00:1]",
      "https://[2002:7f00:1::]",
      "https://[2001:db8::1]",
      "https://[fd00:ec2::254]",
    ],
  ])("may not be %s", (url) => {
    expect(() => outgoingUrl(url, "url")).toThrow();
  });
});
