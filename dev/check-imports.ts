import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../src");
/** Layers from the top: a file may import its own layer or one below (docs/architecture.md). */
const LAYERS: [layer: string, match: RegExp][] = [
  ["index", /^index\.ts$/],
  ["doors", /^(app|scheduled|queue)\.ts$|^realtime\/(feed|routes)\.ts$/],
  ["features", /^features\//],
  [
    "kit",
    /^(http|auth|storage|formats)\/|^messages\.ts$|^realtime\/(publish|protocol|tickets|unread)\.ts$/,
  ],
  ["analytics", /^analytics\//],
  ["base", /^(context|config)\.ts$|^(db|cache)\/|^auth\/actor\.ts$/],
  ["lib", /^lib\//],
  ["data", /^\.\.\/migrations\/meta\/_journal\.json$/],
];
/** The context names the actor's type: auth/actor.ts is data about people, not the checking of tokens. */
const rankOf = (file: string) =>
  file === "auth/actor.ts" ? 5 : LAYERS.findIndex(([, match]) => match.test(file));

const WHO_KNOWS: [library: string, allowed: RegExp][] = [
  ["drizzle-orm", /^db\/|^analytics\/|^features\//],
  ["hono", /^app\.ts$|^http\/|routes\.ts$|^auth\/middleware\.ts$/],
  ["@hono/zod-openapi", /^app\.ts$|^http\/|routes\.ts$|schema\.ts$/],
];

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"/gms)].map(
    (match) => match[1] ?? "",
  );
}

/** Every arrow that points up, every feature that imports another, and every file that knows a library it should not. */
export function wrongImports(): string[] {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".d.ts"),
  );
  const wrong: string[] = [];
  for (const file of files) {
    if (rankOf(file) < 0) wrong.push(`${file} belongs to no layer`);
    for (const specifier of importsOf(file)) {
      const library = WHO_KNOWS.find(
        ([name]) => specifier === name || specifier.startsWith(`${name}/`),
      );
      if (library && !library[1].test(file)) wrong.push(`${file} must not know ${library[0]}`);
      if (!specifier.startsWith(".")) continue;
      const target = path.relative(root, path.resolve(root, path.dirname(file), specifier));
      if (rankOf(target) < rankOf(file)) wrong.push(`${file} imports ${target}, which is above it`);
      const [own, other] = [file, target].map((each) => /^features\/([^/]+)/.exec(each)?.[1]);
      if (own && other && own !== other)
        wrong.push(`${file} imports ${target}: a feature never imports another`);
    }
  }
  return wrong;
}
