import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const project = path.resolve(import.meta.dirname, "..");
const root = path.join(project, "src");
const MAX_WIDTH = 100;
const MAX_WIDE_SHARE = 0.01;
const MAX_LINES = 250;
const EXPORTED =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:const|let|function\*?|interface|type|class) (\w+)/gm;
/** Phrases that read as a translation, openings without a noun, and names of underscores. */
const PHRASES: readonly RegExp[] = [
  /\bis none\b/,
  /\bis over\b(?! (?:the|a|an|its|all|\d))/,
  /\bgone on with\b/,
  /\basked apart\b/,
  /\bthe begin of\b/,
  /\bno [\w ]{1,30} of ours\b/,
  /(?:\/\/|\/\*\*|^\s*\*) (?:What|Who|How)\b/,
  /\((?:[^()]*, )?__+[,)]/,
];

interface SourceFile {
  name: string;
  lines: readonly string[];
}

export interface NameRule {
  name: string;
  /** Each offence, with its file. */
  found: readonly string[];
}

function sourceFiles(): SourceFile[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .map((name) => {
      const lines = readFileSync(path.join(root, name), "utf8").trimEnd().split("\n");
      return { name, lines };
    });
}

function namesExportedTwice(files: readonly SourceFile[]): string[] {
  const exporters = new Map<string, string[]>();
  for (const { name: file, lines } of files) {
    for (const [, name = ""] of lines.join("\n").matchAll(EXPORTED))
      exporters.set(name, [...(exporters.get(name) ?? []), file]);
  }
  return [...exporters]
    .filter(([, found]) => new Set(found).size > 1)
    .map(([name, found]) => `${name}: ${found.join(", ")}`);
}

function linesWhere(files: readonly SourceFile[], isOffence: (line: string) => boolean): string[] {
  return files.flatMap(({ name, lines }) =>
    lines.flatMap((line, index) =>
      isOffence(line) ? [`${name}:${index + 1}: ${line.trim().slice(0, MAX_WIDTH)}`] : [],
    ),
  );
}

const longFiles = (files: readonly SourceFile[]) =>
  files
    .filter(({ lines }) => lines.length > MAX_LINES)
    .map(({ name, lines }) => `${name}: ${lines.length} lines`);

/** Width of the line that nine of ten lines do not exceed. */
function widthP90(files: readonly SourceFile[]): number {
  const widths = files.flatMap(({ lines }) => lines.map((line) => line.length));
  const written = widths.filter((width) => width > 0).sort((a, b) => a - b);
  return written[Math.floor(written.length * 0.9)] ?? 0;
}

/** Paths that a document names and the project does not have. */
function stalePaths(): string[] {
  const documents = globSync(["*.md", "docs/*.md", "bench/*.md"], { cwd: project });
  return documents.flatMap((document) => {
    const text = readFileSync(path.join(project, document), "utf8");
    const named = text.matchAll(/`((?:src|test|dev|bench|docs|migrations)\/[\w./-]+)`/g);
    return [...named].flatMap(([, name = ""]) =>
      existsSync(path.join(project, name)) ? [] : [`${document}: ${name}`],
    );
  });
}

/** Rules of names, sizes and English for `src/` (CONTRIBUTING.md), and a summary of the widths. */
export function nameRules(): { rules: NameRule[]; summary: string } {
  const files = sourceFiles();
  const lines = files.reduce((total, file) => total + file.lines.length, 0);
  const wide = linesWhere(files, (line) => line.length > MAX_WIDTH);
  const share = wide.length / lines;
  const phrases = PHRASES.map((pattern) => ({
    name: `${pattern}`,
    found: linesWhere(files, (line) => pattern.test(line)),
  }));
  return {
    rules: [
      { name: "names exported twice", found: namesExportedTwice(files) },
      { name: `files over ${MAX_LINES} lines`, found: longFiles(files) },
      {
        name: `lines over ${MAX_WIDTH} columns`,
        found: share >= MAX_WIDE_SHARE ? wide : [],
      },
      { name: "paths in documents that do not exist", found: stalePaths() },
      ...phrases,
    ],
    summary: `${files.length} files, ${lines} lines, width p90 ${widthP90(files)}, ${wide.length} lines over ${MAX_WIDTH} columns (${(100 * share).toFixed(1)} %)`,
  };
}

/**
 * Holds `src/` to the rules.
 * @returns a summary
 * @throws Error with the offences
 */
export function checkNames(): string {
  const { rules, summary } = nameRules();
  const refused = rules.filter((rule) => rule.found.length > 0);
  if (refused.length > 0)
    throw new Error(refused.map(({ name, found }) => [name, ...found].join("\n  ")).join("\n"));
  return summary;
}

if (import.meta.main) {
  const { rules, summary } = nameRules();
  for (const { name, found } of rules)
    console.log([`${name}: ${found.length}`, ...found].join("\n  "));
  console.log(summary);
}
