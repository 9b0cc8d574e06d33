import { expect, it } from "vitest";
import { csvOf } from "../../src/formats/text.ts";

it("a CSV has no formula in its header or its texts, and leaves numbers as they are", () => {
  const columns = [
    { name: "=HYPERLINK(1)", kind: "decimal" as const },
    { name: "note", kind: "text" as const },
    { name: "what", kind: "json" as const },
  ];
  const rows = [{ "=HYPERLINK(1)": "-12.500000", note: "-12.500000", what: "=1" }];
  expect(csvOf(columns, rows)).toBe("'=HYPERLINK(1),note,what\r\n-12.500000,'-12.500000,'=1\r\n");
});
