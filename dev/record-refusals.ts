import { gzipSync } from "node:zlib";
import type { AnswerRecorder, RecordedRequest } from "./record-answers.ts";
import type { DocumentedOperation } from "./record-document.ts";

const JSON_TYPE = { "content-type": "application/json" };
/** More than any body that is not a batch may have. */
const LARGE = Buffer.from(JSON.stringify({ name: "x".repeat(300 * 1024) }));
const BODIES: Pick<RecordedRequest, "body" | "headers">[] = [
  { body: Buffer.from("{"), headers: JSON_TYPE },
  { body: Buffer.from("a=b"), headers: { "content-type": "application/x-www-form-urlencoded" } },
  { body: Buffer.from('{"a":1,"a":2}'), headers: JSON_TYPE },
  { body: Buffer.from([0x22, 0xff, 0x22]), headers: JSON_TYPE },
  { body: gzipSync("{}"), headers: { ...JSON_TYPE, "content-encoding": "gzip" } },
  { body: LARGE, headers: JSON_TYPE },
  { body: [] },
  { body: { nonsense: 1 } },
];

/** Asks every operation that changes something in ways that none may take. */
export async function askRefusals(
  recorder: AnswerRecorder,
  operations: readonly DocumentedOperation[],
): Promise<void> {
  for (const { method, path, hasBody } of operations) {
    if (method === "GET") continue;
    const asked = { method, path: path.replaceAll(/\{\w+\}/g, "missing") };
    const valid = hasBody ? { body: {} } : {};
    for (const as of ["viewer", "outsider", "nobody"] as const)
      await recorder.ask({ ...asked, ...valid, as });
    await recorder.ask({ ...asked, ...valid, path: `${asked.path}?nonsense=1` });
    if (!hasBody) await recorder.ask(asked);
    else for (const given of BODIES) await recorder.ask({ ...asked, ...given });
  }
}

/** The paths that browsers and monitors ask for. */
export async function askSystem(recorder: AnswerRecorder): Promise<void> {
  const { headers } = await recorder.ask({ path: "/openapi.json", as: "nobody" });
  const conditional = { "if-none-match": headers.get("etag") ?? "" };
  for (const path of ["/openapi.json", "/docs"]) {
    await recorder.ask({ path, headers: conditional });
    await recorder.ask({ path, as: "nobody" });
  }
  for (const path of ["/", "/health", "/ready", "/nowhere", "/api/v1/nowhere", "/api/v1"])
    await recorder.ask({ path, as: "nobody" });
  for (const origin of ["https://app.example.com", "https://other.example.com"]) {
    await recorder.ask({ path: "metrics/catalog", headers: { origin } });
    const preflight = { origin, "access-control-request-method": "POST" };
    await recorder.ask({ method: "OPTIONS", path: "metrics/query", headers: preflight });
  }
  for (let times = 0; times < 2; times++)
    for (const path of ["metrics/summary?timeframe=7d", "agents", "users/activity", "credits/burn"])
      await recorder.ask({ path });
  await recorder.ask({ path: `metrics/summary?${"a=1&".repeat(101)}` });
  await recorder.ask({ path: `metrics/summary?model=${"x".repeat(16_400)}` });
}
