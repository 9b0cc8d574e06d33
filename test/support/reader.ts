import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import readSheet from "read-excel-file/node";

/**
 * Reads files with other libraries than those that wrote them, which do not run in workerd: POST /parquet?sql=… with `file` as the
 * table, POST /xlsx. Answers JSON; ends with standard input. Prints its address.
 */
const folder = mkdtempSync(path.join(tmpdir(), "shadower-reader-"));
const duckdb = await (await DuckDBInstance.create(":memory:")).connect();

async function answer(url: URL, bytes: Buffer): Promise<unknown> {
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
    response.end(JSON.stringify(await answer(new URL(request.url ?? "", "http://reader"), Buffer.concat(chunks))));
  };
  handle().catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
process.on("SIGINT", () => undefined);
process.stdin
  .on("end", () => {
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  })
  .resume();
