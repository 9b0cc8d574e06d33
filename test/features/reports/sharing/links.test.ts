import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { tokenFor } from "../../../support/client.ts";
import {
  client,
  ctx,
  fillReports,
  made,
  raw,
  stranger,
  WORKSPACE,
} from "../../../support/reports.ts";

beforeAll(fillReports);

describe("shared links", () => {
  it("lead to the file without a token, are counted, and end", async () => {
    const run = await made({ format: "html" });
    const link = await client.post(`/api/v1/reports/runs/${run.id}/share`, {});
    expect(link.status).toBe(201);
    const { url, id } = link.body.data;
    expect(url.split("/").at(-1)).toHaveLength(43);
    const answer = await raw(url);
    expect([answer.status, (await answer.arrayBuffer()).byteLength]).toEqual([200, run.file.bytes]);
    expect((await raw(`${url.slice(0, -1)}${url.endsWith("A") ? "B" : "A"}`)).status).toBe(404);
    const kept = await ctx.db.all({
      sql: sql`select * from report_shares where id = ${id}`,
      row: z.record(z.string(), z.unknown()),
    });
    expect(JSON.stringify(kept)).not.toContain(url.split("/").at(-1));
    const shares = await client.get(`/api/v1/reports/runs/${run.id}/shares`);
    expect(shares.body.data).toMatchObject([{ id, views: 1, protected: false, revoked_at: null }]);
    expect(
      (await client.get("/api/v1/reports/usage")).body.data.find(
        (each: { report_id: string }) => each.report_id === run.report_id,
      ),
    ).toMatchObject({ runs: 1, views: 1, failed: 0 });
    expect(
      (await stranger.send(`/api/v1/reports/runs/${run.id}/shares/${id}`, { method: "DELETE" }))
        .status,
    ).toBe(404);
    expect(
      (await client.send(`/api/v1/reports/runs/${run.id}/shares/${id}`, { method: "DELETE" }))
        .status,
    ).toBe(204);
    expect((await raw(url)).status).toBe(410);
    const short = await client.post(`/api/v1/reports/runs/${run.id}/share`, { expires_in_days: 1 });
    await ctx.db.run(
      sql`update report_shares set expires_at = now() where id = ${short.body.data.id}`,
    );
    expect((await raw(short.body.data.url)).status).toBe(410);
    for (const expires_in_days of [0, 91])
      expect(
        (await client.post(`/api/v1/reports/runs/${run.id}/share`, { expires_in_days })).status,
      ).toBe(400);
  });

  it("count who reads the file: no look at its head, no part of it, nothing that has not changed", async () => {
    const run = await made({ format: "html" });
    const { url, id } = (await client.post(`/api/v1/reports/runs/${run.id}/share`, {})).body.data;
    const views = async () =>
      (await client.get(`/api/v1/reports/runs/${run.id}/shares`)).body.data.find(
        (each: { id: string }) => each.id === id,
      ).views;
    const downloads = async () =>
      (await client.get(`/api/v1/reports/runs/${run.id}`)).body.data.downloads;
    const path = `/api/v1/reports/runs/${run.id}/download`;
    const bearer = `Bearer ${await tokenFor(WORKSPACE)}`;
    const ask = async (init: RequestInit & { headers?: Record<string, string> }) => {
      const own = { ...init, headers: { ...init.headers, authorization: bearer } };
      const [shared, download] = [await raw(url, init), await raw(path, own)];
      await Promise.all([shared.arrayBuffer(), download.arrayBuffer()]);
      expect(download.status).toBe(shared.status);
      return shared;
    };
    const etag = (await ask({ method: "HEAD" })).headers.get("etag") ?? "";
    expect((await ask({ headers: { range: "bytes=0-9" } })).status).toBe(206);
    expect((await ask({ headers: { range: "bytes=100-" } })).status).toBe(206);
    expect((await ask({ headers: { range: "bytes=-5" } })).status).toBe(206);
    expect((await ask({ headers: { "if-none-match": etag } })).status).toBe(304);
    expect([await views(), await downloads()]).toEqual([0, 0]);
    // The whole file, asked for as a range by some programs.
    expect((await ask({ headers: { range: "bytes=0-" } })).status).toBe(206);
    expect((await ask({})).status).toBe(200);
    expect([await views(), await downloads()]).toEqual([2, 2]);
  });
});
