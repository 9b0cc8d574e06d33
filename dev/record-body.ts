import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { strFromU8, unzipSync } from "fflate";
import { parquetReadObjects } from "hyparquet";
import { getDocument } from "pdfjs-dist/legacy/build/pdf.mjs";

/** An answer's bytes as text that a reader can compare. */
export interface ReadBody {
  text: string;
  /** Of bytes that are no text. */
  sha256?: string;
}

const TEXT = /^(text\/|application\/(problem\+)?json|application\/x-ndjson)/;

function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value;
}

async function parquetText(bytes: Buffer): Promise<string> {
  const file = new Uint8Array(bytes).buffer;
  const rows = await parquetReadObjects({ file });
  return rows.map((row) => JSON.stringify(row, (_, value) => plainValue(value))).join("\n");
}

function zipText(bytes: Buffer): string {
  const parts = Object.entries(unzipSync(bytes));
  return parts.map(([name, part]) => `== ${name}\n${strFromU8(part)}`).join("\n");
}

async function pdfText(bytes: Buffer): Promise<string> {
  const data = new Uint8Array(bytes);
  const pdf = await getDocument({ data, useSystemFonts: false, verbosity: 0 }).promise;
  const lines: string[] = [];
  for (let number = 1; number <= pdf.numPages; number++) {
    const { items } = await (await pdf.getPage(number)).getTextContent();
    for (const item of items)
      if ("str" in item && item.str.trim() !== "")
        lines.push(`${number} ${item.transform.slice(4).join(" ")} ${item.str}`);
  }
  const { info } = await pdf.getMetadata();
  return [JSON.stringify(info), ...lines].join("\n");
}

async function binaryText(type: string, bytes: Buffer): Promise<string> {
  if (bytes.subarray(0, 4).toString() === "PAR1") return parquetText(bytes);
  if (bytes.subarray(0, 4).toString("hex") === "504b0304") return zipText(bytes);
  if (bytes.subarray(0, 5).toString() === "%PDF-") return pdfText(bytes);
  if (bytes.subarray(0, 2).toString("hex") === "1f8b") return gunzipSync(bytes).toString();
  return `${bytes.length} bytes of ${type}`;
}

/** @param whole whether the bytes are all of a file: a part of one is only compared as it is */
export async function readBody(type: string, bytes: Buffer, whole: boolean): Promise<ReadBody> {
  if (TEXT.test(type) || bytes.length === 0) return { text: bytes.toString() };
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const text = whole ? await binaryText(type, bytes) : `${bytes.length} bytes of ${type}`;
  return { text, sha256 };
}
