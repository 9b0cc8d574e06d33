import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { endLeftovers } from "./claim.ts";
import { migrate } from "./migrate.ts";
import { startNeonEndpoint } from "./neon-endpoint.ts";
import { startPostgres } from "./postgres.ts";

/**
 * A PostgreSQL for one run of tests: no fsync, with a migrated database `shadower_template`, gone
 * when standard input ends. Prints one line of JSON: { databaseUrl, neonEndpoint }.
 */
const PREFIX = "shadower-test-";

/** Ends and removes the remains of killed runs; the folder of a live one is in use. */
async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((each) => each.startsWith(PREFIX))) {
    const cluster = path.join(tmpdir(), name, "pg");
    try {
      if (await endLeftovers(cluster))
        rmSync(path.dirname(cluster), { recursive: true, force: true });
    } catch {
      // In use, or another user's.
    }
  }
}

await removeLeftovers();
const folder = mkdtempSync(path.join(tmpdir(), PREFIX));
const server = await startPostgres(path.join(folder, "pg"), {
  settings: {
    fsync: "off",
    synchronous_commit: "off",
    full_page_writes: "off",
    max_connections: "200",
    shared_buffers: "128MB",
  },
});
const client = new pg.Client({ connectionString: server.url });
await client.connect();
await client.query("create database shadower_template");
await client.end();
await migrate(server.url.replace(/\/postgres$/, "/shadower_template"));
const endpoint = await startNeonEndpoint(server.url, { connections: 24 });
console.log(
  JSON.stringify({ databaseUrl: server.url, neonEndpoint: `http://127.0.0.1:${endpoint.port}` }),
);

const stop = async () => {
  await endpoint.stop();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
};
// The pipe ends with the one who started us, however that ends; a Ctrl-C in the terminal reaches us
// too, and must not be first.
process.on("SIGINT", () => undefined);
process.stdin.on("end", stop).resume();
