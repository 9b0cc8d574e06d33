import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { bytesOf, fillReports, made, SECTIONS } from "../../../support/reports.ts";

beforeAll(fillReports);

describe("a report as PDF", () => {
  interface Text {
    text: string;
    x: number;
    y: number;
    width: number;
    height: number;
  }
  async function read(run: { id: string }) {
    const answer = await fetch(`${env.READER}/pdf`, { method: "POST", body: await bytesOf(run) });
    expect(answer.status).toBe(200);
    return (await answer.json()) as {
      info: Record<string, unknown>;
      outline: string[];
      pages: { view: number[]; texts: Text[] }[];
    };
  }
  const MANY = {
    type: "table",
    title: "Many",
    measures: ["executions", "credits", "success_rate", "duration_p95", "tokens_in"],
    group_by: ["agent", "user"],
    limit: 500,
  };

  it("has the API's digits, a title, a language, an outline and page numbers, in every script", async () => {
    const run = await made({
      format: "pdf",
      name: "Übersicht Обзор Επισκόπηση 概要 개요",
      sections: [...SECTIONS, MANY],
    });
    const { info, outline, pages } = await read(run);
    expect(info).toMatchObject({ Title: "Übersicht Обзор Επισκόπηση 概要 개요", Language: "en" });
    expect(outline).toEqual([...SECTIONS.slice(1), MANY].map(({ title }) => title));
    const all = pages.flatMap((page) => page.texts.map((each) => each.text)).join(" ");
    expect(all).toContain("4,275.000000");
    expect(all).toContain("Обзор Επισκόπηση");
    expect(all).toContain("概要");
    expect(all).toContain("개요");
    expect(pages.length).toBeGreaterThan(3);
    pages.forEach(({ texts }, index) => {
      expect(texts.map((each) => each.text)).toContain(`${index + 1} / ${pages.length}`);
    });
  });

  it("keeps every text on its page, and off every other text", async () => {
    const long =
      "a name that is much longer than its column, a name that is much longer than its column";
    const { pages } = await read(
      await made({
        format: "pdf",
        name: long,
        description: long.repeat(5),
        sections: [...SECTIONS, MANY, { ...SECTIONS[2], title: long }],
      }),
    );
    for (const { view, texts } of pages) {
      const [, , right = 0, top = 0] = view;
      for (const [index, a] of texts.entries()) {
        expect(
          a.x >= 40 && a.x + a.width <= right - 40 && a.y >= 30 && a.y + a.height <= top - 30,
        ).toBe(true);
        for (const b of texts.slice(index + 1)) {
          // Boxes of one line touch; letters are lower than their boxes.
          const over =
            Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x) > 0.5 &&
            Math.min(a.y + a.height * 0.7, b.y + b.height * 0.7) - Math.max(a.y, b.y) > 0.5;
          expect([over, a.text, b.text]).toEqual([false, a.text, b.text]);
        }
      }
    }
  });
});
