import { readFileSync } from "node:fs";
import type { RecordedAnswer } from "./record-answers.ts";

const MAX_CHANGES = 4;
const MAX_SHOWN = 5;
const MAX_TEXT = 160;

function readRecording(file: string): Map<string, RecordedAnswer> {
  const answers = JSON.parse(readFileSync(file, "utf8")) as RecordedAnswer[];
  return new Map(answers.map((answer) => [answer.request, answer]));
}

const short = (value: unknown) => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
};

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const isTree = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

/** Ways to the values that two JSON documents do not share. */
function treeChanges(a: unknown, b: unknown, way: string): string[] {
  if (Object.is(a, b)) return [];
  if (!isTree(a) || !isTree(b) || Array.isArray(a) !== Array.isArray(b))
    return [`${way || "."}: ${short(a)} -> ${short(b)}`];
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].flatMap((name) => treeChanges(a[name], b[name], `${way}.${name}`));
}

/** The first lines that two texts do not share. */
function lineChanges(a: string, b: string): string[] {
  const [before, after] = [a.split("\n"), b.split("\n")];
  const length = Math.max(before.length, after.length);
  return Array.from({ length }, (_, line) => line).flatMap((line) => {
    const [was, is] = [before[line], after[line]];
    if (was === is) return [];
    // Long lines are alike at their beginnings.
    const at = [...(was ?? "")].findIndex((char, index) => char !== is?.[index]);
    const from = Math.max(0, at - 40);
    return [`line ${line + 1}: ${short(was?.slice(from))} -> ${short(is?.slice(from))}`];
  });
}

function bodyChanges(a: string, b: string): string[] {
  if (a === b) return [];
  const [before, after] = [parsed(a), parsed(b)];
  const found = isTree(before) && isTree(after) ? treeChanges(before, after, "") : [];
  // The same values in another order or writing are other bytes.
  return found.length > 0 ? found : lineChanges(a, b);
}

function changesOf(a: RecordedAnswer, b: RecordedAnswer): string[] {
  return [
    ...(a.status === b.status ? [] : [`status: ${a.status} -> ${b.status}`]),
    ...treeChanges(a.headers, b.headers, "headers"),
    ...bodyChanges(a.body, b.body),
    ...(a.sha256 === b.sha256 ? [] : [`bytes: ${a.sha256} -> ${b.sha256}`]),
  ];
}

/**
 * Compares two recordings, and prints by operation which answers differ and how.
 * @param print takes a line
 * @returns how many differ, or are in one of them only
 */
export function compareRecordings(
  [before, after]: readonly [string, string],
  print: (line: string) => void,
): number {
  const [a, b] = [readRecording(before), readRecording(after)];
  const differing = [...new Set([...a.keys(), ...b.keys()])].flatMap((request) => {
    const [was, is] = [a.get(request), b.get(request)];
    const operation = was?.operation ?? is?.operation ?? "";
    if (!was) return [{ request, operation, changes: [`only in ${after}`] }];
    if (!is) return [{ request, operation, changes: [`only in ${before}`] }];
    const changes = changesOf(was, is);
    return changes.length === 0 ? [] : [{ request, operation, changes }];
  });
  for (const [operation, list] of Map.groupBy(differing, (each) => each.operation)) {
    print(`${operation}: ${list.length} differ`);
    for (const { request, changes } of list.slice(0, MAX_SHOWN)) {
      print(`  ${short(request)}`);
      for (const change of changes.slice(0, MAX_CHANGES)) print(`    ${change}`);
      if (changes.length > MAX_CHANGES) print(`    and ${changes.length - MAX_CHANGES} more`);
    }
    if (list.length > MAX_SHOWN) print(`  and ${list.length - MAX_SHOWN} more`);
  }
  print(`${a.size} and ${b.size} answers, ${differing.length} differ`);
  return differing.length;
}
