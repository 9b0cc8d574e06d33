import { exports } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { z } from "zod";
import { createReportRun } from "../../../../src/features/reports/runs/queries.ts";
import { networkOf } from "../../../../src/features/reports/sharing/share-password.ts";
import { createShare } from "../../../../src/features/reports/sharing/shares.ts";
import { forgetVisitors } from "../../../../src/features/reports/sharing/visitor-queries.ts";
import { testContext } from "../../../support/context.ts";
import { useOwnDatabase } from "../../../support/database.ts";

await useOwnDatabase();
const ctx = testContext();
const WORKSPACE = "shares";
const RIGHT = "correct horse";
const file = { name: "a.html", content_type: "text/html", bytes: 5, sha256: "" };
const change = (statement: ReturnType<typeof sql>) =>
  ctx.db.all({ sql: statement, row: z.record(z.string(), z.unknown()) });

/** A link with a password to a run that is done; opens it as somebody at an address. */
async function link() {
  const id = crypto.randomUUID();
  const request = {
    name: "a",
    description: null,
    sections: [],
    format: "html" as const,
    from: "2026-01-01T00:00:00Z",
    to: "2026-01-02T00:00:00Z",
    timezone: "UTC",
    filters: [],
    recipients: [],
  };
  await createReportRun(ctx, WORKSPACE, id, "r", request, { author: "tester" });
  await change(
    sql`update report_runs set status = 'done', file = ${JSON.stringify(file)}::jsonb where id = ${id}`,
  );
  await ctx.files.put(`reports/${WORKSPACE}/${id}`, "hello");
  const { token } = await createShare(ctx, WORKSPACE, id, {
    author: "tester",
    days: 1,
    password: RIGHT,
  });
  const open = async (password: string, address = "192.0.2.1") => {
    const answer = await exports.default.fetch(
      new Request(`https://shadower.test/api/v1/shared/${token}`, {
        method: "POST",
        headers: { "content-type": "application/json", "cf-connecting-ip": address },
        body: JSON.stringify({ password }),
      }),
    );
    const body = await answer.text();
    const { code } =
      answer.status === 200 ? { code: body } : (JSON.parse(body) as { code: string });
    return { status: answer.status, code, wait: Number(answer.headers.get("retry-after")) };
  };
  const isHeld = async (address?: string) => (await open(RIGHT, address)).status === 429;
  return { id, open, isHeld };
}

it("the right password opens, and a wrong one does not, whoever asks", async () => {
  const { open } = await link();
  expect(await open(RIGHT)).toMatchObject({ status: 200, code: "hello" });
  expect(await open("Correct horse")).toMatchObject({ status: 403, code: "wrong_password" });
  expect(await open(RIGHT)).toMatchObject({ status: 200 });
});

it("of many guesses at once five are looked at", async () => {
  const { open } = await link();
  const many = await Promise.all(Array.from({ length: 12 }, (_, guess) => open(`once ${guess}`)));
  expect(many.filter(({ status }) => status === 403).length).toBe(5);
  expect(many.filter(({ code }) => code === "too_many_passwords").length).toBe(7);
});

it("each further wrong password doubles the wait, and Retry-After says what is left of it", async () => {
  const { id, open } = await link();
  for (let guess = 0; guess < 4; guess++) expect((await open("wrong")).status).toBe(403);
  for (const seconds of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
    expect((await open("wrong")).status).toBe(403);
    const { status, wait } = await open(RIGHT);
    expect(status).toBe(429);
    expect(wait).toBeLessThanOrEqual(seconds);
    expect(wait).toBeGreaterThan(seconds - 20);
    await change(sql`update report_share_visitors set locked_until = now() - interval '1 second'
      where token_hash = (select token_hash from report_shares where run_id = ${id})`);
  }
  expect((await open(RIGHT)).status).toBe(200);
  expect((await open("wrong")).status).toBe(403);
  expect((await open(RIGHT)).status).toBe(200);
});

it("a stranger who guesses holds neither other readers nor other links", async () => {
  const { open, isHeld } = await link();
  const other = await link();
  for (let guess = 0; guess < 6; guess++) await open(`guess ${guess}`, "203.0.113.9");
  expect(await isHeld("203.0.113.9")).toBe(true);
  expect(await isHeld("198.51.100.7")).toBe(false);
  expect(await other.isHeld("203.0.113.9")).toBe(false);
  // All IPv6 addresses of one customer are one guesser.
  for (let guess = 0; guess < 6; guess++) await open(`guess ${guess}`, `2001:db8:0:1::${guess}`);
  expect(await isHeld("2001:db8:0:1:aaaa::1")).toBe(true);
  expect(await isHeld("2001:db8:0:2::1")).toBe(false);
});

it("guesses from everywhere are bounded by the hour, but for those who have had the password", async () => {
  const { id, open, isHeld } = await link();
  expect((await open(RIGHT, "192.0.2.2")).status).toBe(200);
  await change(sql`update report_shares set failures = 99, window_ends_at = now() + interval '30 minutes'
    where run_id = ${id}`);
  expect((await open("wrong", "192.0.2.3")).status).toBe(403);
  const { status, wait } = await open(RIGHT, "192.0.2.4");
  expect(status).toBe(429);
  expect(wait).toBeLessThanOrEqual(1_800);
  expect(wait).toBeGreaterThan(1_700);
  expect(await isHeld("192.0.2.2")).toBe(false);
  const [kept] = await change(sql`select count(*) as visitors from report_share_visitors v
    join report_shares s using (token_hash) where s.run_id = ${id}`);
  expect(kept).toEqual({ visitors: 2 });
  await change(
    sql`update report_shares set window_ends_at = now() - interval '1 second' where run_id = ${id}`,
  );
  expect(await isHeld("192.0.2.4")).toBe(false);
});

it("the count of guesses keeps no address, and forgets who has not come for long", async () => {
  const { id, open } = await link();
  await open(RIGHT, "192.0.2.55");
  const rows = () =>
    change(sql`select v.* from report_share_visitors v
      join report_shares s using (token_hash) where s.run_id = ${id}`);
  expect(JSON.stringify(await rows())).not.toContain("192.0.2");
  await forgetVisitors(ctx);
  expect(await rows()).toHaveLength(1);
  await change(sql`update report_share_visitors set tried_at = now() - interval '31 days'`);
  await forgetVisitors(ctx);
  expect(await rows()).toEqual([]);
});

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:0:1::7", "2001:db8:0:1"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["2001:DB8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["", ""],
])("the network of %j is %j", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
