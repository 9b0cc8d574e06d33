import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { Validator } from "@seriousme/openapi-schema-validator";
import { SignJWT } from "jose";
import { wrongImports } from "./check-imports.ts";
import { checkNames } from "./check-names.ts";
import { freePort } from "./ports.ts";
import { buildWorker, startWorker } from "./worker.ts";

const root = path.resolve(import.meta.dirname, "..");
const BUDGET_KIB = 1536;

/** Runs a tool of the project; its output is the error when it fails. */
function tool(name: string, ...args: string[]): string {
  try {
    execFileSync(path.join(root, "node_modules/.bin", name), args, {
      cwd: root,
      stdio: "pipe",
      encoding: "utf8",
      env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
    });
    return "clean";
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${stdout}${stderr}`);
  }
}

/** Compares the stored types of the bindings with those that wrangler.toml gives now. */
function bindingTypes(folder: string): string {
  const kept = readFileSync(path.join(root, "src/env.d.ts"), "utf8");
  const made = path.join(folder, "env.d.ts");
  tool("wrangler", "types", "--include-runtime=false", "--strict-vars=false", made);
  // The first lines name the file; the types must be the same.
  const body = (text: string) =>
    text
      .split("\n")
      .slice(2)
      .join("\n")
      .replaceAll(/import\("[^"]*index"\)/g, 'import("index")');
  if (body(readFileSync(made, "utf8")) !== body(kept))
    throw new Error("src/env.d.ts is not current: npm run types");
  return "current";
}

/**
 * Starts the built Worker, validates its OpenAPI document, and asks a question that reaches the
 * database (which is not there): the bundler may order modules in another way than the tests do.
 */
async function openApi(script: string): Promise<string> {
  const port = await freePort();
  const secret = "a-secret-for-a-worker-without-requests";
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const bindings = {
    ENVIRONMENT: "local",
    DATABASE_URL: "postgres://none:none@localhost/none",
    NEON_ENDPOINT: nowhere,
    JWT_SECRET_KEY: secret,
  };
  const worker = await startWorker({ script, port, bindings });
  try {
    const response = await fetch(`http://127.0.0.1:${port}/openapi.json`);
    const document = (await response.json()) as { paths: object };
    const { valid, errors } = await new Validator().validate(document);
    if (!valid) throw new Error(JSON.stringify(errors, null, 1));
    const token = await new SignJWT({ workspaceId: "check", workspaces: ["check"], role: "admin" })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject("check")
      .setExpirationTime("5m")
      .sign(new TextEncoder().encode(secret));
    const asked = await fetch(`http://127.0.0.1:${port}/api/v1/metrics/summary?timeframe=7d`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (asked.status !== 503)
      throw new Error(
        `A question without a database is answered ${asked.status}: ${await asked.text()}`,
      );
    return `${Object.keys(document.paths).length} paths, and the built Worker asks its database`;
  } finally {
    await worker.dispose();
  }
}

/** Compares the size of the script and its assets with the budget. */
function bundleSize(script: string): string {
  const files = readdirSync(path.dirname(script)).filter((file) => /\.(js|ttf)$/.test(file));
  const bytes = Buffer.concat(
    files.map((file) => readFileSync(path.join(path.dirname(script), file))),
  );
  const compressed = gzipSync(bytes).length / 1024;
  if (compressed > BUDGET_KIB)
    throw new Error(
      `The bundle is ${compressed.toFixed(0)} KiB compressed; the budget is ${BUDGET_KIB} KiB.`,
    );
  return `${compressed.toFixed(0)} KiB compressed (${(bytes.length / 1024).toFixed(0)} KiB; budget ${BUDGET_KIB} KiB compressed)`;
}

const folder = mkdtempSync(path.join(tmpdir(), "shadower-check-"));
let script = "";
const CHECKS: { name: string; run(): string | Promise<string> }[] = [
  {
    name: "types",
    run: () => {
      for (const project of ["tsconfig.json", "dev/tsconfig.json", "test/tsconfig.json"])
        tool("tsc", "-p", project);
      return "src, dev, bench, test";
    },
  },
  { name: "lint and format", run: () => tool("biome", "ci", "--colors=off") },
  {
    name: "import direction",
    run: () => {
      const wrong = wrongImports();
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
      return "every arrow points down";
    },
  },
  { name: "names, sizes and English", run: checkNames },
  { name: "binding types", run: () => bindingTypes(folder) },
  {
    name: "deploy --dry-run",
    run: async () => {
      script = await buildWorker(path.join(folder, "worker"));
      return bundleSize(script);
    },
  },
  { name: "built Worker and OpenAPI document", run: () => openApi(script) },
];

let failed = 0;
for (const { name, run } of CHECKS) {
  try {
    const said = await run();
    console.log(`ok    ${name}: ${said}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}\n${error instanceof Error ? error.message : String(error)}`);
  }
}
rmSync(folder, { recursive: true, force: true });
process.exit(failed === 0 ? 0 : 1);
