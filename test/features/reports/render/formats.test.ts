import { env } from "cloudflare:workers";
import { parse } from "csv-parse/browser/esm/sync";
import { unzipSync } from "fflate";
import { beforeAll, describe, expect, it } from "vitest";
import { bytesOf, EVIL, fillReports, made, SECTIONS } from "../../../support/reports.ts";

beforeAll(fillReports);

describe("the file of a report", () => {
  it("has the first day of its range in its zone in its name", async () => {
    const run = await made({ from: "2026-03-01T18:30:00.000Z" });
    expect(run.file.name).toBe("Weekly-2026-03-02.json");
  });

  it("says its range in its zone, in its words and at its head", async () => {
    const definition = {
      ...{ from: "2026-03-01T18:30:00.000Z", to: "2026-03-08T18:30:00.000Z", format: "html" },
      sections: [{ type: "text", text: "From {{from}} until {{to}}." }],
    };
    const [first, last] = ["2026-03-02T00:00:00+05:30", "2026-03-09T00:00:00+05:30"];
    const html = new TextDecoder().decode(await bytesOf(await made(definition)));
    expect(html).toContain(`From ${first} until ${last}.`);
    expect(html).toContain(`${first} to ${last} (Asia/Kolkata), as of `);
  });
});

describe("a report", () => {
  it("as HTML needs nothing else, escapes everything, and shows the API's digits", async () => {
    const html = new TextDecoder().decode(
      await bytesOf(await made({ format: "html", name: `Weekly ${EVIL}` })),
    );
    expect(html).not.toContain("<script");
    expect(html).not.toMatch(/(src|href)=|@import|url\(/);
    expect(html).toContain("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;");
    expect(html).toContain("4,275.000000");
    expect(html.match(/<svg /g)?.length).toBe(4);
    expect(html).toContain('<html lang="en">');
    expect(html).not.toMatch(/NaN|undefined/);
  });

  it("as CSV is a zip with a file for each section, safe for a spreadsheet", async () => {
    const files = unzipSync(await bytesOf(await made({ format: "csv" })));
    expect(Object.keys(files).length).toBe(SECTIONS.length);
    const name = Object.keys(files).find((each) => each.includes("Models")) ?? "";
    const rows = parse(new TextDecoder().decode(files[name]), { columns: true }) as Record<
      string,
      string
    >[];
    expect(rows.reduce((sum, row) => sum + Number(row.executions), 0)).toBe(900);
    expect(rows.map((row) => row.error_type)).toContain("'=1+1");
  });

  it("as XLSX has a sheet for each section", async () => {
    const bytes = await bytesOf(await made({ format: "xlsx" }));
    const answer = await fetch(`${env.READER}/xlsx`, { method: "POST", body: bytes });
    const sheets = (await answer.json()) as { sheet: string; data: unknown[][] }[];
    expect(sheets.map(({ sheet }) => sheet)).toEqual([
      "1 text",
      "2 At a glance",
      "3 Days",
      "4 By agent",
      "5 Bars",
      "6 Week",
      "7 Models & errors",
      "8 Agents",
      "9 Came back",
    ]);
    expect(sheets[7]?.data[0]).toEqual(["rank", "agent", "credits", "executions"]);
    const tiles = Object.fromEntries((sheets[1]?.data ?? []).map((row) => [row[0], row[1]]));
    expect(tiles).toMatchObject({ executions: 900, credits: 4275 });
  });
});

describe("names in a report", () => {
  const sections = [
    { type: "metrics", title: `${"x".repeat(30)}'`, measures: ["executions"] },
    { type: "metrics", title: `${"y".repeat(28)}🚀🚀`, measures: ["executions"] },
    { type: "metrics", title: "History", measures: ["executions"] },
  ];

  it("of sections become sheets that a spreadsheet opens, wherever they have to be cut", async () => {
    const run = await made({ format: "xlsx", sections });
    const answer = await fetch(`${env.READER}/xlsx`, { method: "POST", body: await bytesOf(run) });
    const sheets: { sheet: string }[] = await answer.json();
    const names = sheets.map(({ sheet }) => sheet);
    expect(names).toEqual([`1 ${"x".repeat(29)}`, `2 ${"y".repeat(28)}`, "3 History"]);
  });

  it.each(["xlsx", "pdf", "html", "csv", "json"])(
    "of 79 letters and one outside the BMP are the file's, whole: %s",
    async (format) => {
      const name = `${"n".repeat(79)}𠮷`;
      const run = await made({ name, format, sections });
      expect(run.request.name).toBe(name);
      expect(run.file.name).toMatch(/^n{79}-\d{4}-\d\d-\d\d\.\w+$/);
    },
  );
});
