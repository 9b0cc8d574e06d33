/**
 * Names of nested keys: `metadata.a.b` is the key `b` of the object under the key `a`. A backslash
 * takes the character behind it for part of a key: `a\.b` is the one key `a.b`, `\\` a backslash,
 * `\,` a comma in a list of names.
 */
const PART = /((?:[^\\.]|\\[\s\S]|\\$)*)(?:\.|$)/gy;
const ITEM = /((?:[^\\,]|\\[\s\S]|\\$)*)(?:,|$)/gy;

function partsOf(text: string, pattern: RegExp): string[] {
  const parts: string[] = [];
  for (const [whole, part = ""] of text.matchAll(pattern)) {
    parts.push(part);
    if (whole === part) break;
  }
  return parts;
}

/** The keys of a path, at least one; a key may be the empty text. */
export const keysOf = (path: string): string[] =>
  partsOf(path, PART).map((part) => part.replaceAll(/\\([\s\S])/g, "$1"));

/** The items of a list, with their backslashes: commas part them. */
export const splitFieldList = (text: string): string[] => partsOf(text, ITEM);

/** A key as a path has it. */
export const escapedKey = (key: string): string => key.replaceAll(/[\\.,]/g, "\\$&");
