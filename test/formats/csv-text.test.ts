import { parse } from "csv-parse/browser/esm/sync";
import { expect, it } from "vitest";
import { csvText } from "../../src/formats/csv-text.ts";

it("a CSV has no formula in its header or its texts, and leaves numbers as they are", () => {
  const columns = [
    { name: "=HYPERLINK(1)", kind: "decimal" as const },
    { name: "note", kind: "text" as const },
    { name: "what", kind: "json" as const },
  ];
  const rows = [{ "=HYPERLINK(1)": "-12.500000", note: "-12.500000", what: "=1" }];
  expect(csvText(columns, rows)).toBe("'=HYPERLINK(1),note,what\r\n-12.500000,'-12.500000,'=1\r\n");
});

it.each(["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠SUM(1)"])(
  "a CSV keeps %j from being a formula, in a field and in the header",
  (text) => {
    const columns = [{ name: text, kind: "text" as const }];
    const [[header] = [], [field] = []] = parse(csvText(columns, [{ [text]: text }])) as string[][];
    expect([header, field]).toEqual([`'${text}`, `'${text}`]);
  },
);

it.each(["1+1=2", " =1", "a\n=1", "~", "ü＝1", "'=1"])("a CSV leaves %j as it is", (text) => {
  const columns = [{ name: "note", kind: "text" as const }];
  expect(parse(csvText(columns, [{ note: text }]), { columns: true })).toEqual([{ note: text }]);
});
