import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../src");
/**
 * Layers from the top, one room or more each: a file imports its own layer or one below
 * (docs/architecture.md).
 */
const LAYERS: [layer: string, match: RegExp][] = [
  ["index", /^index\.ts$/],
  ["doors", /^(app|scheduled|queue|feed)\.ts$/],
  ["features", /^features\//],
  ["intake", /^intake\//],
  ["http", /^http\//],
  ["services", /^(delivery|formats|jobs|realtime|storage)\/|^messages\.ts$/],
  ["store", /^store\//],
  ["analytics", /^analytics\//],
  ["base", /^(context|config)\.ts$|^(auth|cache|db)\//],
  ["lib", /^lib\//],
  ["data", /^\.\.\/migrations\/meta\/_journal\.json$/],
];
const rankOf = (file: string) => LAYERS.findIndex(([, match]) => match.test(file));

const WHO_KNOWS: [library: string, allowed: RegExp][] = [
  ["drizzle-orm", /^(db|store|analytics|jobs)\/|(^|\/)([\w-]+-)?queries\.ts$/],
  ["hono", /^app\.ts$|^http\/|routes\.ts$/],
  [
    "@hono/zod-openapi",
    /^app\.ts$|^(http|store)\/|^intake\/(items|answer)\.ts$|^jobs\/dead-letters\.ts$|routes\.ts$|schema\.ts$/,
  ],
];

type Imports = ReadonlyMap<string, readonly string[]>;

function specifiersOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(/^(?:import|export)\s[^;]*?from\s+"([^"]+)"/gms)].map(
    (match) => match[1] ?? "",
  );
}

const targetOf = (file: string, specifier: string) =>
  path.relative(root, path.resolve(root, path.dirname(file), specifier));

function wrongLibraries(file: string, specifiers: readonly string[]): string[] {
  return WHO_KNOWS.filter(
    ([name, allowed]) =>
      !allowed.test(file) &&
      specifiers.some((each) => each === name || each.startsWith(`${name}/`)),
  ).map(([name]) => `${file} must not know ${name}`);
}

function wrongArrow(file: string, target: string): string[] {
  const [own, other] = [file, target].map((each) => /^features\/([^/]+)/.exec(each)?.[1]);
  if (own && other && own !== other)
    return [`${file} imports ${target}: a feature never imports another`];
  return rankOf(target) < rankOf(file) ? [`${file} imports ${target}, which is above it`] : [];
}

/** Each circle once, as the files along it. */
function circles(imports: Imports): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: string[]): void => {
    const place = way.indexOf(file);
    if (place >= 0) {
      found.push(`Circle: ${[...way.slice(place), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) walk(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
}

/**
 * Arrows that point up, circles, features that import another, and files that know a library that
 * is not theirs to know.
 */
export function wrongImports(): string[] {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".d.ts"),
  );
  const wrong: string[] = [];
  const imports = new Map<string, string[]>();
  for (const file of files) {
    if (rankOf(file) < 0) wrong.push(`${file} belongs to no layer`);
    const specifiers = specifiersOf(file);
    const targets = specifiers
      .filter((each) => each.startsWith("."))
      .map((each) => targetOf(file, each));
    imports.set(file, targets);
    wrong.push(...wrongLibraries(file, specifiers));
    wrong.push(...targets.flatMap((target) => wrongArrow(file, target)));
  }
  return [...wrong, ...circles(imports)];
}
