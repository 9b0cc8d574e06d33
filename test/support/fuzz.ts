import fc from "fast-check";

type Json = Record<string, unknown>;

export interface Operation {
  method: string;
  /** As the document writes it: `/api/v1/agents/{id}`. */
  path: string;
  statuses: string[];
  parameters: { name: string; in: string; required?: boolean; schema: Json }[];
  /** Of its JSON body. */
  body: Json | undefined;
}

export interface FuzzRequest {
  operation: Operation;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  who: "admin" | "viewer" | "stranger" | "nobody" | "nonsense";
}

/** A text that must never come back as a tag, in any page. */
export const MARK = "<h8 x=\"'>";

const TEXTS = [
  ...[
    "",
    " ",
    "a",
    MARK,
    "' or 1=1 --",
    "\\",
    "%",
    "%00",
    "\u0000",
    "\ud800",
    "𝒳",
    "é",
    "ا",
    "\u202e",
  ],
  ...["x".repeat(300), "ü".repeat(3_000), "__proto__", "constructor", "..", ".", "../..", "null"],
  ...["-1", "1e400", "9007199254740993", "0x10", "2026-13-40T00:00:00Z", "2026-03-01T00:00:00"],
  ...["-271821-04-20T00:00:00Z", "Nowhere/Zone", "Pacific/Apia", "[]", "{}", "{{executions}}"],
  ...["=1+1", "\r\nx-injected: 1", "https://127.0.0.1/", "a,b", "a=b", "~", "***"],
];
const TIMES = [
  ...["2026-03-01T00:00:00Z", "2026-03-08T00:00:00+05:30", "2026-03-01T12:34:56.123456-08:00"],
  ...["1970-01-01T00:00:00Z", "2199-12-31T00:00:00Z", "2025-02-28T23:59:59.999Z"],
];
const deep = (depth: number): unknown => (depth === 0 ? {} : { a: [deep(depth - 1)] });
const nasty: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e308, 2 ** 53, -0, [], {}, [[]], [null]),
  fc.constantFrom<unknown>(deep(40), Array(1_001).fill(0), { constructor: 1, toString: [] }),
  fc.constantFrom(...TEXTS),
);
/** Valid values of names whose schema does not list them. */
const BY_NAME: Record<string, string[]> = {
  timezone: ["UTC", "Asia/Kolkata", "America/New_York"],
  time: ["08:30"],
  cron: ["0 5 * * *"],
  workspace_id: ["fuzz"],
  workspace_ids: ["fuzz", "fuzz-too"],
  measure: ["executions"],
  event_type: ["open"],
};
/** Bodies that are no JSON object of any schema. */
const BODIES = [
  ...["", "{", "null", "[]", '"x"', "0", "[".repeat(5_000), "\u0000", '{"a":1e400}', "\ufeff{}"],
  ...['{"__proto__":{"a":1}}', '{"id":"\\ud800"}', '{"a":1,"a":2}', "{}\n{}", "a=b", "{'a':1}"],
];
const HEADERS: Record<string, string>[] = [
  ...[
    {},
    {},
    {},
    {},
    { "cache-control": "no-cache" },
    { accept: "text/csv" },
    { accept: "image/*" },
  ],
  ...[{ range: "bytes=5-1" }, { range: "bytes=0-0" }, { "if-none-match": "*" }, { origin: MARK }],
  ...[{ "idempotency-key": "k" }, { "idempotency-key": "~".repeat(300) }],
  ...[{ "x-request-id": MARK }, { "content-encoding": "gzip" }, { "content-encoding": "br" }],
  ...[{ traceparent: "00-x" }, { "content-length": "5" }, { "x-forwarded-host": "evil.example" }],
];
const MEDIA = ["application/json", "application/json", "text/plain", "", "application/x-ndjson"];

/** Values of a schema: mostly what it allows, and now and then, at any depth, what it does not. */
function valueFor(schema: Json, schemas: Json, known: string[], name = ""): fc.Arbitrary<unknown> {
  const of = (each: unknown, under = name) => valueFor(each as Json, schemas, known, under);
  const valid = (): fc.Arbitrary<unknown> => {
    if (typeof schema.$ref === "string")
      return of(schemas[schema.$ref.split("/").at(-1) ?? ""] ?? {});
    if (Array.isArray(schema.enum)) return fc.constantFrom(...(schema.enum as unknown[]));
    if ("const" in schema) return fc.constant(schema.const);
    const several = schema.oneOf ?? schema.anyOf;
    if (Array.isArray(several)) return fc.oneof(...several.map((each) => of(each)));
    const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
    const [min, max] = [Number(schema.minimum ?? 0), Number(schema.maximum ?? 1_000)];
    switch (type) {
      case "integer":
        return fc.integer({ min, max: Math.max(min, max) });
      case "number":
        return fc.double({ min, max: Math.max(min, max), noNaN: true });
      case "boolean":
        return fc.boolean();
      case "array": {
        const least = Number(schema.minItems ?? 0);
        return fc.array(of(schema.items ?? {}), { minLength: least, maxLength: least + 2 });
      }
      case "object": {
        const required = (schema.required ?? []) as string[];
        const fields = Object.entries((schema.properties ?? {}) as Json);
        return fc.record(
          Object.fromEntries(fields.map(([field, each]) => [field, of(each, field)])),
          {
            requiredKeys: required,
          },
        );
      }
      case "string":
        if (schema.format === "date-time") return fc.constantFrom(...TIMES);
        return fc.constantFrom(
          ...(BY_NAME[name] ?? [...known, String(schema.example ?? "a"), "7d"]),
        );
      default:
        return nasty;
    }
  };
  return fc.oneof({ weight: 24, arbitrary: valid() }, { weight: 1, arbitrary: nasty });
}

/** Text as a URL carries it; a lone surrogate cannot be carried. */
const encoded = (value: unknown) =>
  encodeURIComponent((typeof value === "string" ? value : JSON.stringify(value)).toWellFormed());

/** Requests of one operation. @param known ids that are there */
export function requestsOf(
  operation: Operation,
  schemas: Json,
  known: string[],
): fc.Arbitrary<FuzzRequest> {
  const queries = operation.parameters.filter(({ in: place }) => place === "query");
  const query = fc
    .record(
      Object.fromEntries(
        queries.map(({ name, schema }) => [name, valueFor(schema, schemas, known, name)]),
      ),
      { requiredKeys: queries.flatMap(({ name, required }) => (required ? [name] : [])) },
    )
    .chain((all) =>
      // Few at a time: with all of them, nearly every request would fail by its first bad one.
      fc.subarray(Object.entries(all), { maxLength: Math.min(5, Object.keys(all).length) }),
    );
  const segments = fc.array(
    fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...known) }, fc.constantFrom(...TEXTS)),
    { minLength: 3, maxLength: 3 },
  );
  const extra = fc.oneof(
    { weight: 12, arbitrary: fc.constant("") },
    fc.constantFrom("unknown=1", "limit=1&limit=2", "workspace_id=another", "=", "a[b]=1", "%"),
  );
  const body = operation.body
    ? fc.oneof(
        {
          weight: 8,
          arbitrary: valueFor(operation.body, schemas, known).map((of) => JSON.stringify(of)),
        },
        fc.constantFrom(...BODIES),
      )
    : fc.constantFrom(undefined, undefined, undefined, "{}", "x");
  return fc.record({ query, segments, extra, body }).chain(({ query, segments, extra, body }) => {
    let place = 0;
    const path = operation.path.replace(/\{\w+\}/g, () => encoded(segments[place++]));
    const asked = [...query.map(([name, value]) => `${name}=${encoded(value)}`), extra];
    const media = operation.body ? fc.constantFrom(...MEDIA) : fc.constant("");
    return fc.record({
      operation: fc.constant(operation),
      method: fc.oneof(
        { weight: 30, arbitrary: fc.constant(operation.method.toUpperCase()) },
        fc.constantFrom("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"),
      ),
      path: fc.constant(`${path}?${asked.filter(Boolean).join("&")}`),
      headers: fc
        .tuple(fc.constantFrom(...HEADERS), media)
        .map(([some, type]) => (type === "" ? some : { ...some, "content-type": type })),
      body: fc.constant(body),
      who: fc.oneof(
        { weight: 12, arbitrary: fc.constant("admin" as const) },
        fc.constantFrom(
          "viewer" as const,
          "stranger" as const,
          "nobody" as const,
          "nonsense" as const,
        ),
      ),
    });
  });
}
