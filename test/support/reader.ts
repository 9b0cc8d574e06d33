import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createListener } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { getDocument } from "pdfjs-dist/legacy/build/pdf.mjs";
import readSheet from "read-excel-file/node";

/**
 * Reads files with other libraries than those that wrote them, which do not run in workerd: POST /parquet?sql=… with `file` as the
 * table, POST /xlsx, POST /pdf. GET /stalled: the address of a server that accepts and never answers. Answers JSON; ends with
 * standard input. Prints its address.
 */
const folder = mkdtempSync(path.join(tmpdir(), "shadower-reader-"));
const duckdb = await (await DuckDBInstance.create(":memory:")).connect();

/** Encodings that a PDF may name without holding them. */
const CMAPS = `${path.resolve("node_modules/pdfjs-dist/cmaps")}/`;

/** A PDF's title, language, outline, and each page's texts with their boxes, from the bottom left. */
async function readPdf(bytes: Buffer): Promise<unknown> {
  const pdf = await getDocument({
    data: new Uint8Array(bytes),
    cMapUrl: CMAPS,
    cMapPacked: true,
    useSystemFonts: false,
    verbosity: 0,
  }).promise;
  const pages = [];
  for (let number = 1; number <= pdf.numPages; number++) {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    const texts = items.flatMap((item) =>
      "str" in item && item.str.trim() !== ""
        ? [
            {
              text: item.str,
              x: item.transform[4],
              y: item.transform[5],
              width: item.width,
              height: item.height,
            },
          ]
        : [],
    );
    pages.push({ view: page.view, texts });
  }
  const { info } = await pdf.getMetadata();
  const outline = (await pdf.getOutline()) ?? [];
  return { info, outline: outline.map(({ title }) => title), pages };
}

const stalled = createListener(() => undefined).listen(0, "127.0.0.1");
const originOf = (address: AddressInfo | string | null) =>
  `http://127.0.0.1:${(address as AddressInfo).port}`;

async function answer(url: URL, bytes: Buffer): Promise<unknown> {
  if (url.pathname === "/stalled") return originOf(stalled.address());
  if (url.pathname === "/pdf") return readPdf(bytes);
  const file = path.join(folder, crypto.randomUUID());
  writeFileSync(file, bytes);
  if (url.pathname === "/xlsx") return readSheet(bytes);
  const sql = (url.searchParams.get("sql") ?? "").replaceAll("file", `read_parquet('${file}')`);
  return (await duckdb.runAndReadAll(sql)).getRowObjectsJson();
}

const server = createServer((request, response) => {
  const handle = async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    response.end(
      JSON.stringify(
        await answer(new URL(request.url ?? "", "http://reader"), Buffer.concat(chunks)),
      ),
    );
  };
  handle().catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(0, "127.0.0.1", () => console.log(originOf(server.address())));
process.on("SIGINT", () => undefined);
process.stdin
  .on("end", () => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  })
  .resume();
