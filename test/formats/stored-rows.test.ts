import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import Papa from "papaparse";
import { expect, it } from "vitest";
import { z } from "zod";
import { RowBytes } from "../../src/db/row-bytes.ts";
import { withSnapshot } from "../../src/db/snapshot.ts";
import type { FileColumn, FileRow } from "../../src/formats/columns.ts";
import { csvFormat } from "../../src/formats/csv.ts";
import { csvText } from "../../src/formats/csv-text.ts";
import { FILE_START, type FileFormat } from "../../src/formats/format.ts";
import { ndjsonFormat } from "../../src/formats/json-rows.ts";
import { instantBetween, microsBetween, numberBetween } from "../../src/formats/stored-values.ts";
import { addTotals, totalsText, zeroTotals } from "../../src/formats/totals.ts";
import { fromMicros, toMicros } from "../../src/lib/decimal.ts";
import { parseInstant } from "../../src/lib/time.ts";
import { testContext } from "../support/context.ts";
import { useOwnDatabase } from "../support/database.ts";
import { dataRow } from "../support/exported.ts";

await useOwnDatabase();

const COLUMNS: FileColumn[] = [
  { name: "note", kind: "text" },
  { name: "moment", kind: "timestamp" },
  { name: "whole", kind: "integer" },
  { name: "amount", kind: "decimal" },
  { name: "flag", kind: "boolean" },
  { name: "document", kind: "json" },
];
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const AWKWARD = [
  ..."a =+-@,;\"\\/'\t\r\n\b\f\u0001\u007f\u0085\u2028\ufeff\ufffe\uffff＝＋－＠é日07<&",
  "e\u0301",
  "🚀",
  "\r\n",
  "_x000D_",
];
const note = fc.array(fc.constantFrom(...AWKWARD), { maxLength: 12 }).map((all) => all.join(""));
/** Numbers as intake keeps them: digits without limit. */
const NUMBERS = [
  ...["0", "-1", "1.5", "1.50", "100", "0.1", "0.05", "-0.000001", "0.0000001", "3.0"],
  ...["123456789012345", "-1234567890123456", "12345678901234567890123", "1546130668394913822"],
  ...["3.141592653589793", "3.141592653589793238462643", "99999999999999.9", "4503599627370497.5"],
];
const KEYS = ["a", "b", "10", "2", "01", "-1", "4294967295", "", "x y", 'k, "q": 1', "__proto__"];
const { value: json } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    note.map((text) => JSON.stringify(text)),
    fc.constantFrom(...NUMBERS, "true", "false", "null"),
    fc.array(tie("value"), { maxLength: 3 }).map((all) => `[${all.join(",")}]`),
    fc
      .uniqueArray(fc.tuple(fc.oneof(fc.constantFrom(...KEYS), note), tie("value")), {
        maxLength: 5,
        selector: ([key]) => key,
      })
      .map((all) => `{${all.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`),
  ),
}));
const document = fc
  .array(fc.tuple(fc.constantFrom("a", "b", "7", "list"), json), { maxLength: 3 })
  .map((all) => `{${[...new Map(all)].map(([key, value]) => `"${key}":${value}`).join(",")}}`);
const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: null, freq: 5 });
const row = fc.tuple(
  maybe(note),
  maybe(fc.integer({ min: -2_000_000_000_000_000, max: 7_000_000_000_000_000 })),
  maybe(fc.integer({ min: -1_000_000_000_000, max: 1_000_000_000_000 })),
  maybe(fc.bigInt({ min: -(10n ** 19n) + 1n, max: 10n ** 19n - 1n }).map(fromMicros)),
  maybe(fc.boolean()),
  maybe(document),
);

/** The rows of a table as it is filled, by number. */
const stored = sql`
  select note, moment, whole, amount, flag, document
  from awkward
  order by number`;

async function fill(rows: readonly unknown[][]): Promise<void> {
  const { db } = testContext();
  await db.run(sql`
    create table if not exists awkward (
      number int, note text, moment timestamptz, whole bigint, amount numeric(19, 6),
      flag boolean, document jsonb
    )`);
  await db.run(sql`delete from awkward`);
  await db.run(sql`
    insert into awkward
    select
      ordinality,
      r ->> 0,
      '1970-01-01'::timestamptz + (r ->> 1)::bigint * interval '1 microsecond',
      (r ->> 2)::bigint,
      (r ->> 3)::numeric,
      (r ->> 4)::boolean,
      (r ->> 5)::jsonb
    from jsonb_array_elements(${JSON.stringify(rows)}::jsonb) with ordinality t (r)`);
}

const both = () =>
  withSnapshot(env.DATABASE_URL, env.NEON_ENDPOINT, async (db) => {
    const bytes = new RowBytes();
    await db.read(stored, bytes);
    const rows = await db.all({ sql: stored, row: z.record(z.string(), z.unknown()) });
    return { bytes, rows: rows as FileRow[] };
  });

async function written(format: FileFormat, cells: RowBytes, neutralize: boolean) {
  async function* pages() {
    yield { cells, after: [] };
  }
  const options = { columns: COLUMNS, gzip: false, neutralize };
  const parts: Uint8Array[] = [];
  for await (const { bytes } of format.encode(pages(), options, FILE_START))
    parts.push(bytes.slice());
  return decoder.decode(await new Blob(parts).arrayBuffer());
}

it("rows that are written from the server's bytes are those that are written from values", async () => {
  const rows = fc.sample(row, { numRuns: 3_000, seed: 7 });
  await fill(rows);
  const { bytes, rows: values } = await both();
  expect(values).toHaveLength(rows.length);
  expect(await written(csvFormat, bytes, true)).toBe(csvText(COLUMNS, values));
  const objects = values.map((each) => `${JSON.stringify(each)}\n`).join("");
  expect(await written(ndjsonFormat, bytes, true)).toBe(objects);
  const plain = values.map((each) =>
    COLUMNS.map(({ name, kind }) =>
      kind === "json" && each[name] !== null ? JSON.stringify(each[name]) : each[name],
    ),
  );
  const options = { newline: "\r\n", quotes: (value: unknown) => value === "" };
  const lines = Papa.unparse([COLUMNS.map(({ name }) => name), ...plain], options);
  expect(await written(csvFormat, bytes, false)).toBe(`${lines}\r\n`);
});

it("totals of the server's bytes are exact sums of millionths", async () => {
  const rows = fc.sample(row, { numRuns: 2_000, seed: 11 });
  await fill(rows);
  const { bytes, rows: values } = await both();
  const summed = COLUMNS.filter(({ kind }) => kind === "integer" || kind === "decimal");
  const sum = (name: string) =>
    values.reduce(
      (total, each) => (each[name] === null ? total : total + toMicros(String(each[name]))),
      0n,
    );
  expect(totalsText(addTotals(zeroTotals(summed), bytes, COLUMNS), COLUMNS)).toEqual({
    whole: Number(sum("whole") / 1_000_000n),
    amount: fromMicros(sum("amount")),
  });
});

it("a value of the server's bytes is the number, or the moment, that its text is", () => {
  const read = <T>(of: (bytes: Uint8Array, begin: number, end: number) => T, text: string): T => {
    const bytes = encoder.encode(`"${text}"`);
    return of(bytes, 1, bytes.length - 1);
  };
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.double({ noNaN: true }), (whole, float) => {
      expect(read(numberBetween, String(whole))).toBe(whole + 0);
      expect(read(numberBetween, String(float))).toBe(float + 0);
      const micros = fromMicros(BigInt(whole));
      const short = read(microsBetween, micros);
      expect([whole, -1]).toContain(short);
    }),
  );
  for (const [text, rfc3339] of [
    ["2026-03-01 00:00:00+00", "2026-03-01T00:00:00.000Z"],
    ["2024-02-29 23:59:59.999999+00", "2024-02-29T23:59:59.999999Z"],
    ["1969-12-31 23:59:59.5+00", "1969-12-31T23:59:59.500Z"],
    ["2026-03-01 05:30:00.25+05:30", "2026-03-01T00:00:00.250Z"],
    ["2026-02-28 19:00:00-05", "2026-03-01T00:00:00.000Z"],
    ["2026-03-01T05:30:00.000001+05:30", "2026-03-01T00:00:00.000001Z"],
  ] as const)
    expect(read(instantBetween, text)).toBe(parseInstant(rfc3339));
});

it("rows are the same wherever the messages of the server are cut", () => {
  const rows = fc.sample(fc.array(maybe(note), { minLength: 3, maxLength: 3 }), {
    numRuns: 40,
    seed: 3,
  });
  const other = new Uint8Array([0x43, 0, 0, 0, 5, 0x21]);
  const all = new Uint8Array(
    rows.flatMap((each, index) => [...(index % 9 === 0 ? other : []), ...dataRow(each)]),
  );
  fc.assert(
    fc.property(fc.array(fc.nat(all.length), { maxLength: 12 }), (cuts) => {
      const bytes = new RowBytes();
      const places = [0, ...cuts.sort((a, b) => a - b), all.length];
      const others = places.flatMap((place, index) =>
        bytes.add(all.subarray(place, places[index + 1] ?? place)),
      );
      expect(others).toEqual(rows.filter((_, index) => index % 9 === 0).map(() => other));
      expect([bytes.rows, bytes.width]).toEqual([rows.length, 3]);
      const found = rows.map((_, at) =>
        [0, 1, 2].map((column) => {
          const begin = bytes.bounds[2 * (3 * at + column)] ?? -1;
          const end = bytes.bounds[2 * (3 * at + column) + 1] ?? -1;
          return begin < 0 ? null : decoder.decode(bytes.bytes.slice(begin, end));
        }),
      );
      expect(found).toEqual(rows);
    }),
  );
});
